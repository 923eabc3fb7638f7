"""Records of each format, as archives export them, and XML that is refused."""

import pytest

from embed.archive.metadata.records import MOST_BYTES, read_record
from embed.errors import DescriptionError

DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
OAI_DC = f"""<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" {DC}>
  <dc:title>Débat</dc:title><dc:date>1999-05-03</dc:date><dc:language>fr</dc:language>
  <dc:creator>Awa Ndiaye</dc:creator><dc:creator>Modou</dc:creator><dc:rights>CC BY</dc:rights>
  <dc:identifier>RTS-1</dc:identifier>
  <dc:description><![CDATA[Rice &
  millet]]></dc:description><dc:relation>x</dc:relation><dc:title>A second title</dc:title></oai_dc:dc>"""
EBUCORE = f"""<?xml version="1.0" encoding="UTF-8"?>
<ebucore:ebuCoreMain xmlns:ebucore="urn:ebu:metadata-schema:ebucore" {DC} dateLastModified="2020-01-01">
 <ebucore:coreMetadata>
  <ebucore:title typeLabel="Main"><dc:title>Journal</dc:title></ebucore:title>
  <ebucore:alternativeTitle><dc:title>Another</dc:title></ebucore:alternativeTitle>
  <ebucore:creator><ebucore:contactDetails><ebucore:name>Awa</ebucore:name></ebucore:contactDetails></ebucore:creator>
  <ebucore:date><ebucore:created startDate="2019-05-01"/></ebucore:date>
  <ebucore:language><dc:language>wo</dc:language></ebucore:language>
  <ebucore:identifier><dc:identifier>U-1</dc:identifier></ebucore:identifier>
  <ebucore:rights><dc:rights>All</dc:rights></ebucore:rights>
  <ebucore:description><dc:description>The news</dc:description></ebucore:description>
  <ebucore:part><ebucore:partMetadata><ebucore:title><dc:title>Part</dc:title></ebucore:title></ebucore:partMetadata>
  </ebucore:part></ebucore:coreMetadata></ebucore:ebuCoreMain>"""
PBCORE = """<pbcoreDescriptionDocument xmlns="http://www.pbcore.org/PBCore/PBCoreNamespace.html">
  <pbcoreAssetDate dateType="broadcast">1975-02-01</pbcoreAssetDate>
  <pbcoreIdentifier source="AAPB">cpb-1</pbcoreIdentifier>
  <pbcoreTitle titleType="Series">Morning</pbcoreTitle><pbcoreTitle titleType="Episode">The rice</pbcoreTitle>
  <pbcoreDescription>About rice</pbcoreDescription><pbcoreCreator><creator>Jane</creator></pbcoreCreator>
  <pbcoreContributor><contributor>Somebody</contributor></pbcoreContributor>
  <pbcoreRightsSummary><rightsSummary>PD</rightsSummary></pbcoreRightsSummary>
  <pbcoreInstantiation><instantiationDate>2010</instantiationDate><instantiationLanguage>eng</instantiationLanguage>
  </pbcoreInstantiation></pbcoreDescriptionDocument>"""
TERMS = """<metadata xmlns:dcterms="http://purl.org/dc/terms/"><dcterms:title>T</dcterms:title>
  <dcterms:created>2001</dcterms:created><dcterms:issued>2002</dcterms:issued><dcterms:abstract>A</dcterms:abstract>
  </metadata>"""
XMP = f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" {DC}><rdf:Description>
  <dc:title><rdf:Alt><rdf:li xml:lang="x-default">T</rdf:li></rdf:Alt></dc:title>
  <dc:creator><rdf:Seq><rdf:li>A</rdf:li><rdf:li>B</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF>"""


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (OAI_DC, "Débat|1999-05-03|fr|Awa Ndiaye; Modou|Rice & millet|RTS-1|CC BY"),
        (EBUCORE, "Journal|2019-05-01|wo|Awa|The news|U-1|All"),
        (PBCORE, "The rice|1975-02-01|eng|Jane|About rice|cpb-1|PD"),
        (TERMS, "T|2002|||A||"),
        (XMP, "T|||A; B|||"),
        (f'<OAI-PMH xmlns="x"><record><metadata>{OAI_DC.replace("Débat", "D")}</metadata></record></OAI-PMH>',
         "D|1999-05-03|fr|Awa Ndiaye; Modou|Rice & millet|RTS-1|CC BY"),
        ('<dublin_core><dcvalue element="title" qualifier="none">T</dcvalue><dcvalue element="date" qualifier="issued">'
         '2011</dcvalue><dcvalue element="contributor" qualifier="author">A</dcvalue></dublin_core>',
         "T|2011||A|||"),
        ("<dc><title>T</title><date>2000</date></dc>", "T|2000|||||"),
        ('<mods xmlns="http://www.loc.gov/mods/v3"><title>M</title></mods>', "||||||"),
        (f'<!DOCTYPE m SYSTEM "http://127.0.0.1:1/m.dtd"><m {DC}><dc:title>T</dc:title></m>', "T||||||"),
    ],
    ids=["oai_dc", "ebucore", "pbcore", "dcterms", "xmp", "oai-pmh", "dspace", "bare", "other", "doctype"],
)  # fmt: skip
def test_a_record_has_plain_names(text: str, fields: str) -> None:
    names = ("title", "date", "language", "creator", "description", "identifier", "rights")
    expected = {name: text for name, text in zip(names, fields.split("|"), strict=True) if text}
    assert read_record("a.xml", text.encode()) == expected


def test_other_encodings_are_those_that_the_file_declares() -> None:
    for encoding in ("iso-8859-1", "utf-16", "windows-1252"):
        text = f'<?xml version="1.0" encoding="{encoding}"?><m {DC}><dc:title>Émission</dc:title></m>'
        assert read_record("a.xml", text.encode(encoding)) == {"title": "Émission"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a><b></a>", "a.xml: not readable as XML: Opening and ending tag mismatch: b line 1 and a"),
        (b"", "a.xml: not readable as XML: Document is empty"),
        (b"<a>\xe9</a>", "not readable as XML: .*encoding"),
        (b"<a>" * 300 + b"</a>" * 300, "not readable as XML: Excessive depth"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "declares entities"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', "declares entities"),
        (b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]><a/>', "declares entities|not readable"),
        (b" " * (MOST_BYTES + 1), "over 4 MiB"),
    ],
    ids=["mismatch", "empty", "bytes", "depth", "entity", "file", "parameter", "size"],
)
def test_xml_that_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DescriptionError, match=reason):
        read_record("a.xml", data)
