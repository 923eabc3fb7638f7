"""Records in XML: Dublin Core (also OAI and qualified), EBUCore and PBCore 2, under plain names.

    title, date, language, creator, description, identifier, rights; several values of one are joined by `; `

Nothing outside of the file is read, and a file that declares entities is refused.
"""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from embed.errors import DescriptionError

MOST_BYTES = 4 << 20
_MOST_CHARS = 4_000  # a longer value is cut: every row of the recording carries it

_DUBLIN_CORE = frozenset({"http://purl.org/dc/elements/1.1/", "http://purl.org/dc/terms/"})
_BARE = (("dc",), ("dublincore",), ("dublin_core",))  # roots of Dublin Core without a namespace
_EBUCORE, _PBCORE = "ebu", "pbcore"  # in the namespaces of their versions
# By plain name the elements, the best first.
_OF_DUBLIN_CORE = {
    "title": ("title",),
    "date": ("date", "issued", "created", "available"),
    "language": ("language",),
    "creator": ("creator",),
    "description": ("description", "abstract"),
    "identifier": ("identifier",),
    "rights": ("rights", "rightsHolder", "license"),
}
_OF_PBCORE = {
    "title": ("pbcoreTitle",),
    "date": ("pbcoreAssetDate", "instantiationDate"),
    "language": ("instantiationLanguage", "essenceTrackLanguage"),
    "creator": ("creator",),
    "description": ("pbcoreDescription",),
    "identifier": ("pbcoreIdentifier",),
    "rights": ("rightsSummary",),
}
# Where EBUCore has a value outside of `dc` elements, as text, or as an attribute of a date.
_OF_EBUCORE = {
    "title": ("title",),
    "date": ("issued", "dateIssued", "created", "dateCreated", "date", "publicationDate", "broadcastDate"),
    "language": ("language",),
    "creator": ("creator",),
    "description": ("description",),
    "identifier": ("identifier",),
    "rights": ("rights",),
}
_EBU_DATES = ("startDate", "startYear", "startDateTime")
_OF_ANOTHER = frozenset({  # elements about another title, part or programme
    "alternativeTitle", "hasPart", "isPartOf", "part", "partMetadata", "relation", "isRelatedTo", "hasVersion",
    "isVersionOf", "references", "isReferencedBy", "isMemberOf", "pbcoreRelation", "pbcorePart", "source", "hasEpisode",
    "isEpisodeOf", "isSeasonOf", "hasSeason", "hasSeries", "isSeriesOf", "contributor", "publisher", "hasFormat",
})  # fmt: skip
_WEAK_TITLES = ("series", "collection", "program", "alternative", "franchise", "parallel", "number")  # of PBCore
_JOINED = ("language", "creator", "identifier", "rights")


def read_record(url: str, data: bytes) -> dict[str, str]:
    """The fields of a record; none where it is in none of the formats.  Raises DescriptionError for broken XML."""
    if len(data) > MOST_BYTES:
        raise DescriptionError(f"{url}: over {MOST_BYTES >> 20} MiB, too long for a record of one recording")
    root = _root(url, data)
    found: dict[str, list[tuple[int, str]]] = {}
    for element, path in _elements(root, ()):
        for name, rank, text in _values(element, path):
            found.setdefault(name, []).append((rank, text))
    return {name: _chosen(name, values) for name, values in found.items()}


def _root(url: str, data: bytes) -> Any:
    # Entities are not replaced, and neither DTDs nor the network are read.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = " ".join(str(getattr(error, "msg", None) or error).split())
        raise DescriptionError(f"{url}: not readable as XML: {reason}; correct it, or remove the file") from None
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise DescriptionError(f"{url}: it declares entities, which are not read; write the text out")
    return root


def _elements(element: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """All elements, with the names of those that they are in; none that is about something else."""
    if not isinstance(element.tag, str):  # a processing instruction
        return
    name = etree.QName(element).localname
    if name in _OF_ANOTHER:
        return
    yield element, path
    for child in element:
        yield from _elements(child, (*path, name))


def _values(element: Any, path: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    """Plain name, rank (the lowest is the best) and text of what an element states."""
    tag = etree.QName(element)
    space, name = tag.namespace or "", tag.localname
    if name == "dcvalue":  # of DSpace
        names = [element.get("qualifier") or "", element.get("element") or ""]
        names = ["creator"] if names == ["author", "contributor"] else names
        yield from (one for name in names for one in _ranked(_OF_DUBLIN_CORE, name, _texts(element)))
    elif space in _DUBLIN_CORE or (not space and path[:1] in _BARE):
        yield from _ranked(_OF_DUBLIN_CORE, name, _texts(element))
    elif _PBCORE in space.lower():
        weak = any(one in (element.get("titleType") or "").lower() for one in _WEAK_TITLES)
        yield from ((field, 10 * weak + rank, text) for field, rank, text in _ranked(_OF_PBCORE, name, _texts(element)))
    elif _EBUCORE in space.lower():
        texts = [element.get(one) for one in _EBU_DATES if element.get(one)] if len(path) > 1 else []
        inner = _texts(element) if not len(element) else []
        if name == "name" and "creator" in path:
            yield from (("creator", 0, text) for text in inner)
        yield from _ranked(_OF_EBUCORE, name, texts if texts else inner)


def _ranked(table: dict[str, tuple[str, ...]], name: str, texts: list[str]) -> Iterator[tuple[str, int, str]]:
    for field, names in table.items():
        if name in names:
            yield from ((field, names.index(name), text) for text in texts)


def _texts(element: Any) -> list[str]:
    """The text of an element; of RDF's lists that of each item."""
    items = [one for one in element.iter() if isinstance(one.tag, str) and etree.QName(one).localname == "li"]
    found = ("".join(one.itertext()) for one in items or [element])
    return [text for one in found if (text := " ".join(one.split()))]


def _chosen(name: str, values: list[tuple[int, str]]) -> str:
    best = min(rank for rank, _ in values)
    texts = list(dict.fromkeys(text for rank, text in values if rank == best))
    text = "; ".join(texts) if name in _JOINED else texts[0]
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS].rstrip()} ..."
