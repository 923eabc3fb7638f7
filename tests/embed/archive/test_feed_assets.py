import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
import soundfile

from embed.archive.inputs import InputSpec
from embed.archive.manifest import Listed, list_inputs
from embed.encoder import SAMPLE_RATE
from tests.web_server import Page, WebServer, web_server

NAMESPACES = (
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:atom="http://www.w3.org/2005/Atom"'
    ' xmlns:podcast="https://podcastindex.org/namespace/1.0" xmlns:psc="http://podlove.org/simple-chapters"'
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    soundfile.write(path, np.sin(np.arange(SAMPLE_RATE // 2) / 9), SAMPLE_RATE)
    return path.read_bytes()


@pytest.fixture(scope="module")
def shared() -> Iterator[WebServer]:
    with web_server() as site:
        yield site


@pytest.fixture
def web(shared: WebServer, sound: bytes, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", "0.3")
    shared.pages.clear()
    shared.asked.clear()
    shared.pages["/a.wav"] = Page(sound)
    shared.pages["/b.wav"] = Page(sound, etag='"two"')
    return shared


def item(enclosure: str | None = "/a.wav", guid: str = "", more: str = "", kind: str = "audio/x-wav") -> str:
    found = f"<guid>{escape(guid)}</guid>" if guid else ""
    if enclosure is not None:
        found += f"<enclosure url={quoteattr(enclosure)} type={quoteattr(kind)} length='1'/>"
    return f"<item><title>Title of {guid}</title>{found}{more}</item>"


def rss(*items: str, following: str = "", head: str = "") -> Page:
    link = f"<atom:link rel='next' href={quoteattr(following)}/>" if following else ""
    title = "<title>The show</title><language>fr-FR</language>"
    text = f"{head}<rss version='2.0' {NAMESPACES}><channel>{title}{link}{''.join(items)}</channel></rss>"
    return Page(text.encode(), "application/rss+xml")


def listed(url: str, **fields: Any) -> Listed:
    web = {"private": True, **fields.pop("web", {})}
    return list_inputs([InputSpec.model_validate({"url": url, "name": "show", "web": web, **fields})])


def rows(found: Listed) -> dict[str, dict[str, Any]]:
    return {row["uri"]: {**row, "metadata": dict(row["metadata"])} for row in found.assets.to_pylist()}


def problems(site: WebServer, page: Page, **fields: Any) -> dict[str, str | None]:
    site.pages["/feed"] = page
    return {uri: row["problem"] for uri, row in rows(listed(site.url("/feed"), **fields)).items()}


def test_items_are_assets_with_what_the_feed_says_of_them(web: WebServer) -> None:
    about = (
        "<pubDate>Mon, 30 Nov 2026 06:00:00 +0100</pubDate><itunes:duration>1:02:03</itunes:duration>"
        "<link>https://radio.example/1</link>"
        "<podcast:transcript url='/1.html' type='text/html'/><podcast:transcript url='/1.vtt' type='text/vtt'/>"
        "<psc:chapters><psc:chapter start='00:00:00.000' title='News'/><psc:chapter start='1:00' title='Rain'/>"
        "</psc:chapters>"
    )
    web.pages["/c.json"] = Page(
        json.dumps({"version": "1.2.0", "chapters": [{"startTime": 0, "title": "Intro"}, {"startTime": 1.5}]}).encode()
    )
    linked = "<podcast:chapters url='/c.json' type='application/json+chapters'/><pubDate>2026-11-29</pubDate>"
    web.pages["/feed"] = rss(item(guid="one #1", more=about), item("/b.wav", "two", linked))
    found = listed(web.url("/feed"), lang="wo", metadata={"station": "Radio"})
    first, second = rows(found).values()
    assert first["uri"] == "show#guid=one %231"
    assert first["metadata"] == {
        "station": "Radio",
        "title": "Title of one #1",
        "date": "2026-11-30T05:00:00Z",
        "language": "fr-FR",
        "duration": "3723",
        "feed": "The show",
        "link": "https://radio.example/1",
        "transcript_url": f"http+private://127.0.0.1:{web.port}/1.vtt",
        "transcript_type": "text/vtt",
        "chapters": '[{"start": 0.0, "title": "News"}, {"start": 60.0, "title": "Rain"}]',
    }
    assert (first["lang"], first["duration_s"], first["problem"]) == ("fr", 0.5, None)
    assert first["content_version"] == "etag:one"
    assert second["content_version"] == "etag:two"
    assert second["metadata"]["chapters"] == '[{"start": 0.0, "title": "Intro"}]'
    assert second["metadata"]["date"] == "2026-11-29T00:00:00Z"
    assert found.notes == ()
    web.pages["/1.vtt"] = Page(b"WEBVTT\n\n00:00.000 --> 00:00.400\nRain\n", "text/vtt")
    joined = listed(web.url("/feed"), transcripts="joined")
    settings = dict(rows(joined)["show#guid=one %231"]["columns"])
    assert settings["transcript"] == first["metadata"]["transcript_url"]
    assert (settings["transcript_kind"], len(settings["transcript_digest"])) == (".vtt", 32)
    assert rows(joined)["show#guid=two"]["columns"] is None
    assert joined.notes == ()


def test_atom_and_its_languages_and_bases(web: WebServer) -> None:
    link = "<link rel='enclosure' type='audio/x-wav' href='{}'/>"
    entry = "<entry><id>{}</id><title>T</title><updated>2026-11-30T06:00:00Z</updated>{}</entry>"
    text = (
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='sw'><title>Show</title>"
        + entry.format("one", link.format("a.wav"))
        + entry.format("two", link.format("b.wav")).replace("<entry>", "<entry xml:base='/deep/' xml:lang='en'>")
        + "</feed>"
    )
    web.pages |= {"/feed": Page(text.encode(), "text/xml"), "/deep/b.wav": web.pages["/b.wav"]}
    first, second = rows(listed(web.url("/feed"))).values()
    assert (first["lang"], first["metadata"]["date"]) == ("sw", "2026-11-30T06:00:00Z")
    assert (second["lang"], second["problem"]) == ("en", None)
    assert second["url"].endswith("/deep/b.wav")


def test_a_feed_is_found_by_its_name_or_its_content_or_a_list(web: WebServer, tmp_path: Path, sound: bytes) -> None:
    page = rss(item(web.url("/a.wav"), "one"), item("b%20c.wav", "two"), item("../out.wav", "three"))
    (tmp_path / "in").mkdir()
    (tmp_path / "out.wav").write_bytes(sound)
    (tmp_path / "in" / "b c.wav").write_bytes(sound)
    (tmp_path / "in" / "feed.rss").write_bytes(page.data)
    found = rows(listed(str(tmp_path / "in")))
    uris = [f"show/feed.rss#guid={name}" for name in ("one", "two", "three")]
    assert list(found) == uris  # of the file that the feed names, not also as a whole file
    problems = [str(row["problem"]).partition(":")[0] for row in found.values()]
    assert problems == ["OutsideInput", "None", "OutsideInput"]
    found = rows(listed(str(tmp_path / "in"), follow="outside"))
    assert [found[uri]["problem"] for uri in uris] == [None] * 3
    (tmp_path / "in" / "feed.rss").rename(tmp_path / "in" / "any.xml")
    assert next(iter(rows(listed(str(tmp_path / "in" / "any.xml"))))) == "show#guid=one"
    web.pages["/feed"] = Page(rss(item(guid="one")).data, "text/html")
    assert list(rows(listed(web.url("/feed")))) == ["show#guid=one"]

    lines: list[dict[str, Any]] = [
        {"feed_url": web.url("/feed"), "lang": "wo", "station": "R"},
        {"feed_url": web.url("/none")},
    ]
    lines.append({"audio_filepath": web.url("/b.wav"), "duration": 0.25})
    (tmp_path / "list.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    outside = rows(listed(str(tmp_path / "list.jsonl"))).values()
    assert {row["problem"].partition(":")[0] for row in outside} == {"OutsideInput"}
    found = rows(listed(str(tmp_path / "list.jsonl"), follow="outside"))
    host = f"show/127.0.0.1:{web.port}"
    assert list(found) == [f"{host}/b.wav#t=0,0.25", f"{host}/feed#guid=one", f"{host}/none"]
    assert found[f"{host}/feed#guid=one"]["metadata"]["station"] == "R"
    assert found[f"{host}/b.wav#t=0,0.25"]["content_version"] == "etag:two"
    assert "no such file (404)" in found[f"{host}/none"]["problem"]


def test_pages_are_followed_and_those_that_lead_back_are_reported(web: WebServer) -> None:
    web.pages["/2"] = rss(item(guid="one"), item("/b.wav", "two"))
    assert problems(web, rss(item(guid="one"), following="/2")) == {"show#guid=one": None, "show#guid=two": None}
    assert [row["kind"] for row in listed(web.url("/feed")).passed_over.to_pylist()] == ["repeated item"]
    for back in ("/feed", "/2", "?page=2"):
        web.pages["/2"] = rss(item("/b.wav", "two"), following=back)
        web.pages["/feed?page=2"] = web.pages["/2?page=2"] = web.pages["/2"]
        found = problems(web, rss(item(guid="one"), following="/2"))
        assert list(found) == ["show#guid=one", "show#guid=two", "show"]
        assert "leads back to pages before it" in str(found["show"])
    assert "page 1 leads back" in str(problems(web, rss(item(guid="one"), following="/feed"))["show"])
    web.pages |= {f"/{n}": rss(item(f"/{n}.wav", f"{n}"), following=f"/{n + 1}") for n in range(2, 9)}
    found = problems(web, rss(item(guid="one"), following="/2"), web={"pages": 3})
    assert "more than 3 pages; set `web: {pages: ...}`" in str(found["show"])
    assert len(found) == 4
    assert "no such file (404)" in str(problems(web, rss(item(guid="one"), following="/gone"))["show"])


BOMB = '<!ENTITY a "ha">' + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghij"))
UTF16 = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE rss [<!ENTITY a "b">]>'
FEEDS = {
    "not XML": (Page(b"<rss><channel>", "text/xml"), "not readable as XML"),
    "no feed": (Page(b"<opml/>", "text/xml"), "its root is <opml>, neither RSS 2.0 nor Atom"),
    "no items": (rss(), "it has no items"),
    "no recordings": (rss(item(None, "one")), "none of its items has a recording"),
    "entities": (rss(item(guid="one"), head='<!DOCTYPE rss [<!ENTITY a "b">]>'), "it declares entities"),
    "a bomb": (
        rss(item(guid="x").replace("Title of x", "&j;"), head=f"<!DOCTYPE rss [{BOMB}]>"),
        "it declares entities",
    ),
    "a file": (rss(head='<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]>'), "it declares entities"),
    "entities in UTF-16": (Page(rss(head=UTF16).data.decode().encode("utf-16"), "text/xml"), "it declares entities"),
    "over the size": (Page(b"<rss>" + b" " * (1 << 25), "text/xml"), "too long for a feed"),
    "empty": (Page(b" ", "text/xml"), "not readable as XML"),
}


@pytest.mark.parametrize("name", FEEDS)
def test_a_feed_that_cannot_be_read_is_one_problem(web: WebServer, name: str) -> None:
    page, reason = FEEDS[name]
    found = problems(web, page)
    assert list(found) == ["show"]
    assert reason in str(found["show"])


def test_the_items_of_a_damaged_feed_are_read_and_the_damage_is_reported(web: WebServer) -> None:
    """A name that HTML has and XML does not, and a download that was cut."""
    page = rss(item(guid="one"), item("/b.wav", "two"))
    for data in (page.data.replace(b"The show", b"The&nbsp;show"), page.data[: page.data.index(b"</channel>")]):
        found = problems(web, Page(data, "text/xml"))
        assert list(found) == ["show#guid=one", "show#guid=two", "show"]
        assert re.search("not readable as XML: .*; items may be missing", str(found.pop("show")))
        assert set(found.values()) == {None}


def test_each_bad_item_has_its_own_reason_and_the_others_are_read(web: WebServer, sound: bytes) -> None:
    web.pages |= {
        "/page": Page(b"<html>", "text/html; charset=utf-8"),
        "/big": Page(sound, stated_bytes=9_000_000_000),
        "/cut": Page(sound, cut=True),
        "/never": Page(sound, fails=999),
        "/soon": Page(sound, fails=1, etag='"soon"'),
        "/round": Page(location="/round"),
        "/whole": Page(sound, ranges=False),
    }
    token = "https://x.example/a.mp3?token=hunter2"
    wrong = {
        "/page": "RefusedContent: .*: its server has text/html there, and no recording",
        "/big": r"RefusedContent: .*: 9,000 MB, over the limit of 4,000; set `web: \{max_mb: ...\}`",
        "/cut": "UnreadableFile: .*: its server closed the connection during an answer each time",
        "/gone": r"InputError: .*: no such file \(404\)",
        "/never": "UnreadableFile: .*: its server answered 500 each time",
        "/round": "UnreadableFile: .*: its redirects form a circle",
        "/feed": "InputError: .*: the feed itself is the recording of this item",
        "file:///etc/passwd": "InputError: .*neither an address on the web nor relative",
        token: r"InputError: https://x.example/a.mp3\?token=\*\*\*: a url must contain no keys",
    }
    right = ("/a.wav", "/soon", "/whole")
    items = [item(link, link) for link in (*wrong, *right)]
    odd = item("/b.wav", "odd", "<pubDate>Mon, 99 Foo 2026</pubDate><itunes:duration>long</itunes:duration>")
    items += [odd, item("/b.wav", "/a.wav"), item("/b.wav", "again"), item(None, "none")]
    items += [item("/x.pdf", "picture", kind="application/pdf")]
    web.pages["/feed"] = rss(*items)
    found = listed(web.url("/feed"))
    by_uri = {uri: str(row["problem"]) for uri, row in rows(found).items()}
    assert "hunter2" not in f"{found}{found.assets.to_pylist()}"
    for link, reason in wrong.items():
        uri = f"show#guid={link.replace('hunter2', '***')}"
        assert re.match(reason, by_uri.pop(uri)), uri
    assert [by_uri.pop(f"show#guid={link}") for link in (*right, "odd")] == ["None"] * 4
    assert "two items have the name 'guid=/a.wav', and this is the second" in by_uri.pop("show#guid=/a.wav&n=2")
    assert "it is the recording of the item 'guid=odd' too" in by_uri.pop("show#guid=again")
    assert not by_uri
    assert found.passed_over.to_pylist() == [
        {"uri": "show#guid=none", "kind": "item without enclosure"},
        {"uri": "show#guid=picture", "kind": "item without sound"},
    ]
    (note,) = found.notes
    assert "1 item without `date`: it is not readable, as in 'Mon, 99 Foo 2026' of 'Title of odd'" in note
    assert not {"date", "duration"} & set(rows(found)["show#guid=odd"]["metadata"])


def test_a_feed_leads_to_no_private_address_unless_its_input_allows_it(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "feed.rss").write_bytes(rss(item(web.url("/a.wav"), "one"), following=web.url("/2")).data)
    found = rows(listed(str(tmp_path / "feed.rss"), web={"private": False}))
    assert all("private network, and not read" in row["problem"] for row in found.values())
    assert len(found) == 2
    assert web.asked == []


def test_a_file_of_the_web_is_an_input_too(web: WebServer) -> None:
    found = rows(listed(web.url("/a.wav")))
    assert (found["show"]["duration_s"], found["show"]["content_version"]) == (0.5, "etag:one")
    web.pages["/notes.txt"] = Page(b"The ferry leaves at six.\n", "text/plain")
    assert rows(listed(web.url("/notes.txt")))["show"]["modality"] == "text"
    web.pages["/page"] = Page(b"<html></html>", "text/html")
    assert "its server has text/html there, and no recording" in rows(listed(web.url("/page")))["show"]["problem"]
