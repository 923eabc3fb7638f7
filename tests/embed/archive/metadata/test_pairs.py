from embed.archive.metadata.pairs import described_files


def test_an_xml_file_describes_what_its_name_begins_with() -> None:
    files = ["/r/a.mp3", "/r/a.wav", "/r/x/a.mp3", "/r/b.flac", "/r/\u00e9.mp3", "/r/C.ogg", "/r/d.tar.ogg"]
    records = {
        "/r/a.mp3.xml": ["/r/a.mp3"],
        "/r/a.xml": ["/r/a.mp3", "/r/a.wav"],
        "/r/b.pbcore.xml": ["/r/b.flac"],
        "/r/b_dc.xml": ["/r/b.flac"],
        "/r/e\u0301.xml": ["/r/\u00e9.mp3"],
        "/r/c.XML": ["/r/C.ogg"],
        "/r/d.tar.xml": ["/r/d.tar.ogg"],
        "/r/nothing.xml": [],
        "/r/.xml": [],
    }
    assert described_files(records, files) == {url: of for url, of in records.items() if of}
