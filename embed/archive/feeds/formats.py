"""Formats of feeds: a page of RSS 2.0 or Atom, with the fields that podcasts add to them.

A page is a stranger's: its entities are not expanded, nothing else is loaded, and it has a greatest size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from lxml import etree

from embed.archive.feeds.chapters import inline_chapters
from embed.archive.feeds.items import Item, Link, Page
from embed.errors import InputError
from embed.storage import store

MOST_BYTES = 1 << 25
ATOM = "{http://www.w3.org/2005/Atom}"
_ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
_PODCASTS = (
    "{https://podcastindex.org/namespace/1.0}",
    "{https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md}",
    "{http://podcastindex.org/namespace/1.0}",
)
_DC = "{http://purl.org/dc/elements/1.1/}"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# Of the transcripts of an item the one with the most: times, then words.
_TRANSCRIPTS = ("text/vtt", "application/x-subrip", "application/srt", "text/srt", "application/json", "text/plain")
_SOUND = ("audio/", "video/", "application/ogg", "application/mp4", "application/octet-stream")


def read_page(url: str) -> Page:
    """One page.  Raises InputError where it is too long, not XML, or no feed."""
    with store.open_input(url) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(f"{url}: over {MOST_BYTES >> 20} MiB, too long for a feed; divide it into pages")
    root, problem = _root(url, data.lstrip())
    if root.tag == "rss" and (channel := root.find("channel")) is not None:
        return replace(_rss(url, channel), problem=problem)
    if root.tag == f"{ATOM}feed":
        return replace(_atom(url, root), problem=problem)
    raise InputError(
        f"{url}: its root is <{etree.QName(root).localname}>, neither RSS 2.0 nor Atom; correct the address"
    )


def looks_like_feed(head: bytes) -> bool:
    """Whether a file with these first bytes may be a feed."""
    return any(mark in head for mark in (b"<rss", b"<feed"))


def has_sound(link: Link) -> bool:
    """Whether an enclosure is a recording by its stated type; where it states none, it may be."""
    return not link.media_type or link.media_type.lower().startswith(_SOUND)


def _root(url: str, data: bytes) -> tuple[Any, str]:
    """The root, and the problem of a page that is damaged in places, as many are; "" of others."""
    entities = InputError(f"{url}: it declares entities, as no feed needs; write their text out")
    if b"<!ENTITY" in data:  # before it is parsed, as libxml2 counts what they would expand to
        raise entities
    try:
        root, problem = etree.fromstring(data, _parser(recover=False)), ""
    except etree.XMLSyntaxError as error:
        problem = f"{url}: not readable as XML: {' '.join(str(error.msg).split())}"
        root = etree.fromstring(data, _parser(recover=True)) if data else None
        if root is None or (root.find("channel/item") is None and root.find(f"{ATOM}entry") is None):
            raise InputError(f"{problem}; correct the feed") from None
        problem += "; items may be missing; correct the feed"
    dtd = root.getroottree().docinfo.internalDTD  # in any encoding
    if dtd is not None and next(dtd.iterentities(), None) is not None:
        raise entities
    return root, problem


def _parser(recover: bool) -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover)


def _rss(url: str, channel: Any) -> Page:
    language = _text(channel, "language")
    following = _related(url, channel.iterfind(f"{ATOM}link"), "next")
    items = [_rss_item(url, item, language) for item in channel.iterfind("item")]
    return Page(_text(channel, "title"), items, following)


def _rss_item(url: str, item: Any, language: str) -> Item:
    enclosures = [Link(one.get("url", ""), _base(url, one), one.get("type", "")) for one in item.iterfind("enclosure")]
    return Item(
        guid=_text(item, "guid"),
        enclosure=_enclosure(enclosures),
        title=_text(item, "title") or _text(item, f"{_ITUNES}title"),
        date=_text(item, "pubDate") or _text(item, f"{_DC}date"),
        language=_text(item, f"{_DC}language") or item.get(_LANG, "") or language,
        duration=_text(item, f"{_ITUNES}duration"),
        link=_text(item, "link"),
        **_podcasting(url, item),
    )


def _atom(url: str, feed: Any) -> Page:
    language = feed.get(_LANG, "")
    following = _related(url, feed.iterfind(f"{ATOM}link"), "next")
    items = [_atom_item(url, entry, language) for entry in feed.iterfind(f"{ATOM}entry")]
    return Page(_text(feed, f"{ATOM}title"), items, following)


def _atom_item(url: str, entry: Any, language: str) -> Item:
    links = list(entry.iterfind(f"{ATOM}link"))
    enclosures = [_link(url, one) for one in links if one.get("rel") == "enclosure"]
    page = next((one.get("href", "") for one in links if one.get("rel", "alternate") == "alternate"), "")
    return Item(
        guid=_text(entry, f"{ATOM}id"),
        enclosure=_enclosure(enclosures),
        title=_text(entry, f"{ATOM}title"),
        date=_text(entry, f"{ATOM}published") or _text(entry, f"{ATOM}updated"),
        language=entry.get(_LANG, "") or language,
        duration=_text(entry, f"{_ITUNES}duration"),
        link=page.strip(),
        **_podcasting(url, entry),
    )


def _podcasting(url: str, item: Any) -> dict[str, Any]:
    """Transcript and chapters, of the namespace Podcasting 2.0 and of Podlove's."""
    transcripts = [_podcast_link(url, one) for one in _children(item, "transcript")]
    chapters = [_podcast_link(url, one) for one in _children(item, "chapters")]
    return {
        "transcript": min((one for one in transcripts if one.href), key=_rank, default=None),
        "chapters_link": next((one for one in chapters if one.href), None),
        "chapters": inline_chapters(item),
    }


def _children(item: Any, name: str) -> Iterator[Any]:
    for namespace in _PODCASTS:
        yield from item.iterfind(f"{namespace}{name}")


def _rank(link: Link) -> int:
    kind = link.media_type.lower()
    return _TRANSCRIPTS.index(kind) if kind in _TRANSCRIPTS else len(_TRANSCRIPTS)


def _enclosure(found: list[Link]) -> Link | None:
    """The first with sound, else the first."""
    given = [one for one in found if one.href.strip()]
    return next((one for one in given if has_sound(one)), given[0] if given else None)


def _related(url: str, links: Iterable[Any], relation: str) -> Link | None:
    return next((_link(url, one) for one in links if one.get("rel") == relation and one.get("href")), None)


def _link(url: str, element: Any) -> Link:
    return Link(element.get("href", ""), _base(url, element), element.get("type", ""))


def _podcast_link(url: str, element: Any) -> Link:
    return Link(element.get("url", ""), _base(url, element), element.get("type", ""))


def _base(url: str, element: Any) -> str:
    """The address that links of an element are relative to: its xml:base, else the page."""
    try:
        return store.linked(url, element.base) if element.base else url
    except ValueError:
        return url


def _text(element: Any, name: str) -> str:
    found = element.find(name)
    return "" if found is None else " ".join("".join(found.itertext()).split())
