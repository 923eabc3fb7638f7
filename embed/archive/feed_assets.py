"""Feeds as inputs: every item of a podcast is an asset, its recording with title, date, language and duration.

    radio/feed.rss#guid=episode-12          uri: the same when the recording moves to another host

- The content version is that of the recording's server: its etag, else its time and size.
- An item without a recording, and one that two pages have, is passed over; of two with one guid, or with one
  recording, the second fails.
- A feed that cannot be read to its end is an asset itself, with its problem; its other items are embedded.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from embed.archive.feeds.chapters import Chapters, chapters_text, linked_chapters
from embed.archive.feeds.formats import has_sound, looks_like_feed
from embed.archive.feeds.items import (
    CHAPTERS,
    TRANSCRIPT_TYPE,
    TRANSCRIPT_URL,
    Item,
    Link,
    date_of,
    lang_of,
    metadata_of,
)
from embed.archive.feeds.links import Reach
from embed.archive.feeds.pages import Feed, read_feed
from embed.archive.feeds.web_files import checked, is_other
from embed.archive.inputs import InputSpec
from embed.archive.named_files import entry_at
from embed.archive.utterance_lists import FeedLine
from embed.errors import OF_ONE_FILE, DegluError, InputError
from embed.file_kinds import suffix
from embed.quantities import many
from embed.redaction import redacted
from embed.storage import store
from embed.storage.store import Entry

_AT_ONCE = 16  # requests are small: threads wait rather than work
_SUFFIXES = {False: (".rss", ".atom"), True: (".rss", ".atom", ".xml")}  # in a folder; where the input is this file
_HEAD_BYTES = 4096
NO_ENCLOSURE, NO_SOUND, REPEATED = "item without enclosure", "item without sound", "repeated item"


def may_be_feed(entry: Entry, single: bool) -> bool:
    """Whether a file is a feed by its name, or, where the input is this file, perhaps by its content."""
    if suffix(entry.url) in _SUFFIXES[single]:
        return True
    return single and (is_other(entry.media_type) or "xml" in (entry.media_type or ""))


def is_feed(entry: Entry) -> bool:
    """Whether it is: a web server may have anything under any name."""
    if suffix(entry.url) in _SUFFIXES[True] or "xml" in (entry.media_type or ""):
        return True
    with store.open_input(entry.url) as stream:
        return looks_like_feed(stream.read(_HEAD_BYTES))


@dataclass(frozen=True)
class Recording:
    """The recording of an item, and what the feed says of it."""

    uri: str
    entry: Entry
    lang: str | None
    metadata: dict[str, str]


@dataclass
class FeedAssets:
    """The items of one feed; the feed itself has the uri `uri` and, where it cannot be read to its end, a problem."""

    uri: str
    entry: Entry
    recordings: list[Recording] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)  # uri and kind
    notes: list[str] = field(default_factory=list)
    problem: str | None = None

    @property
    def num(self) -> int:
        return len(self.recordings) + (self.problem is not None)


def read_assets(
    spec: InputSpec, entry: Entry, uri: str, within: str | None, is_input: bool, line: FeedLine | None = None
) -> FeedAssets:
    """The items of the feed at `entry`, with one request for each recording; links to files stay `within` a folder.

    A feed that is the input itself also leads to the web.  `line` is that of the list which names it.
    """
    found = FeedAssets(uri, entry, problem=entry.problem)
    if found.problem:
        return found
    reach = Reach(within, is_input or spec.follow == "outside", spec.web.private)
    try:
        feed = read_feed(entry.url, reach, spec.web.pages)
    except OF_ONE_FILE as error:
        found.problem = _problem(error)
        return found
    found.problem = _problem(feed.problem) if feed.problem else None
    items = list(_with_sound(feed, found))
    if not items and not found.problem:
        reason = "none of its items has a recording" if feed.items else "it has no items"
        found.problem = f"InputError: {entry.url}: {reason}; correct the address"
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        entries = list(pool.map(lambda item: _entry(item, entry.url, reach, spec), items))
        chapters = list(pool.map(lambda item: _chapters(item, reach), items))
    lang, about = ((line.lang if line else None) or spec.lang, line.metadata if line else {})
    names, places = Counter[str](), dict[str, str]()
    for item, one, (parts, note) in zip(items, entries, chapters, strict=True):
        names[item.name] += 1
        name = item.name if names[item.name] == 1 else f"{item.name}&n={names[item.name]}"
        if names[item.name] > 1:
            one = _failed(one, f"two items have the name {item.name!r}, and this is the second; give each its own guid")
        elif not one.problem and places.setdefault(one.url, name) != name:
            one = _failed(one, f"it is the recording of the item {places[one.url]!r} too; an item needs its own")
        metadata = {**metadata_of(item, feed.title), **_transcript(item, reach), CHAPTERS: chapters_text(parts)}
        known = {key: value for key, value in metadata.items() if value}
        found.recordings.append(
            Recording(f"{uri}#{name}", one, lang_of(item.language) or lang, {**spec.metadata, **about, **known})
        )
        found.notes += [note] if note else []
    found.notes += _dates(entry.url, items)
    return found


def _with_sound(feed: Feed, found: FeedAssets) -> Iterator[Item]:
    found.passed_over += [(f"{found.uri}#{item.name}", REPEATED) for item in feed.repeated if item.enclosure]
    for item in feed.items:
        if item.enclosure is not None and has_sound(item.enclosure):
            yield item
        else:
            name = item.name if item.guid else redacted(f"title={item.title}")
            found.passed_over.append((f"{found.uri}#{name}", NO_SOUND if item.enclosure else NO_ENCLOSURE))


def _entry(item: Item, feed_url: str, reach: Reach, spec: InputSpec) -> Entry:
    link = item.enclosure or Link("", feed_url)
    try:
        url = reach.url(link)
    except OF_ONE_FILE as error:
        return Entry(redacted(link.href), 0, None, None, problem=_problem(error))
    if url == feed_url:
        return _failed(Entry(url, 0, None, None), "the feed itself is the recording of this item; correct the feed")
    entry = entry_at(url)
    if entry is None:
        return _failed(Entry(url, 0, None, None), f"no such file; {feed_url} names it")
    return checked(entry, spec.web)


def _chapters(item: Item, reach: Reach) -> tuple[Chapters, str]:
    """Chapters, and a note where those that the item names cannot be read."""
    if item.chapters or item.chapters_link is None:
        return item.chapters, ""
    try:
        return linked_chapters(reach.url(item.chapters_link)), ""
    except DegluError as error:
        return [], f"chapters of {item.title!r} are left out: {error}"


def _transcript(item: Item, reach: Reach) -> dict[str, str]:
    """Where the transcript of an item is; it is not read here."""
    if item.transcript is None:
        return {}
    try:
        return {TRANSCRIPT_URL: reach.url(item.transcript), TRANSCRIPT_TYPE: item.transcript.media_type}
    except DegluError:
        return {}


def _dates(url: str, items: list[Item]) -> list[str]:
    """A note on dates that no reader knows."""
    wrong = [item for item in items if item.date and date_of(item.date) is None]
    if not wrong:
        return []
    example = f"{redacted(wrong[0].date)[:40]!r} of {wrong[0].title!r}"
    return [redacted(f"{url}: {many(len(wrong), 'item')} without `date`: it is not readable, as in {example}")]


def _failed(entry: Entry, reason: str) -> Entry:
    problem = f"{InputError.__name__}: {entry.url}: {reason}"
    return Entry(entry.url, entry.size_bytes, entry.etag, entry.mtime, problem=problem)


def _problem(error: DegluError) -> str:
    return f"{type(error).__name__}: {error}"
