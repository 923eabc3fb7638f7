"""Listing of an input: its files, the utterances that its lists name, and descriptions from its side files."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from embed import identity
from embed.archive.feed_assets import FeedAssets, Recording, is_feed, may_be_feed, read_assets
from embed.archive.inputs import InputSpec
from embed.archive.named_files import NamedFiles
from embed.archive.selection import Selection, select
from embed.archive.side_files import NAMES, SideFiles, broken_rows, is_side_table
from embed.archive.sound_tables import TableSound, num_sounds, read_sounds
from embed.archive.utterance_lists import FeedLine, Utterance, is_audio_list, read_audio_list, uri_below
from embed.archive.web_files import checked
from embed.audio.table_sounds import ROW
from embed.errors import OF_ONE_FILE, InputError
from embed.file_kinds import FORMATS, format_of, is_json_lines, modality_of, suffix
from embed.redaction import redacted
from embed.storage import store
from embed.storage.store import Entry
from embed.tables import SPEECH, TEXT
from embed.text.documents import Broken
from embed.text.encodings import ENCODING
from embed.text.gzipped import encoding_of

_AT_ONCE = 16  # first lines are small: threads wait rather than work
_MAPPED = ("jsonl", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class Asset:
    """A row of MANIFEST before it is probed."""

    uri: str
    url: str
    modality: str
    format: str
    size_bytes: int
    content_version: str
    lang: str | None
    metadata: dict[str, str]
    columns: dict[str, str] = field(default_factory=dict)
    start_ms: int | None = None
    end_ms: int | None = None
    track: int | None = None
    text: str | None = None
    problem: str | None = None


def found_in(spec: InputSpec) -> "Found":
    """The assets of an input.  Raises InputError where it is missing or holds no file to embed."""
    root = store.absolute(spec.url)
    root = store.allowing_private(root) if spec.web.private else root
    entries = store.inputs(root, contained=spec.follow == "inside")
    chosen = select(spec, root, entries)
    if not chosen.kept:
        what = f"only {chosen.in_words()}" if entries else "no such file, and no files below it"
        unused = "".join(f"; {glob} matches nothing" for glob in chosen.unused if entries)
        formats = f"Deglu reads recordings and {', '.join(FORMATS)}"
        raise InputError(f"{spec.url}: nothing to embed: {what}{unused}; {formats}")
    return Found(spec, root, chosen)


class Found:
    """The assets of one input, in order of their urls; `num` of them.  `unused` are globs that match no file."""

    def __init__(self, spec: InputSpec, root: str, chosen: Selection) -> None:
        self._spec, self._entries, self._single = spec, chosen.kept, chosen.single
        self.url, self.unused, self._passed_over = spec.url, chosen.unused, chosen.passed_over
        self._root = root.rpartition("/")[0] if chosen.single else root
        self._encodings: dict[str, tuple[str | None, str | None]] = {}
        self._lists, self._tables, self._sounds, own_feeds = self._lists_and_tables()
        self._within = self._root if spec.follow == "inside" else None
        self._feeds: dict[int, list[FeedAssets]] = {}  # by place of the feed, or of the list that names it
        self._side_files = SideFiles()
        self._broken = {place for place in self._tables if self._side_files.read(*self._opened(self._entries[place]))}
        # Files that a list or a feed names are embedded as listed, not also as whole files.
        named = self._entries if self._lists or self._tables or own_feeds else ()
        self._named = NamedFiles(named, self._passed_over, self._within)
        self._listed = bytearray(len(self._entries))
        absent = self._side_files.match(self._named.places, self._passed_over)
        self._missing = {url: _not_below(url, self._root) or problem for url, problem in absent.items()}
        self.num = len(self._missing) + len(self._broken) + sum(self._sounds.values())
        for place in self._lists:
            self._read_list(place)
        for place in own_feeds:
            if not self._listed[place]:
                self._feeds[place] = [self._feed(self._entries[place])]
        feeds = [feed for some in self._feeds.values() for feed in some]
        for found in (one for feed in feeds for one in feed.recordings if not one.entry.problem):
            if (own := self._named.places.get(found.entry.url)) is not None:
                self._listed[own] = 1
        self.notes = tuple(note for feed in feeds for note in feed.notes)
        self.num += sum(feed.num for feed in feeds)
        self.num += sum(1 for place in range(len(self._entries)) if self._is_own(place))

    def __iter__(self) -> Iterator[Asset]:
        seen: dict[str, int] = {}  # uris of utterances, in all lists
        for place, entry in enumerate(self._entries):
            if place in self._lists:
                yield from self._utterances(entry, seen)
            elif place in self._broken:
                broken = next(broken_rows(*self._opened(entry)), None)
                yield self._list_that_fails(entry, broken.reason if broken else "could not be read; run again")
            elif place in self._sounds:
                yield from self._table_sounds(entry, self._sounds[place])
            elif self._is_own(place):
                yield self._file(entry)
            for feed in self._feeds.get(place, ()):
                yield from self._feed_assets(feed)
        for url, problem in ((redacted(url), redacted(problem)) for url, problem in self._missing.items()):
            yield Asset(self._uri(url), url, SPEECH, "audio", 0, "missing", self._spec.lang, {}, problem=problem)

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """Uri and kind of each file that is not embedded."""
        yield from ((self._uri(url), kind) for url, kind in self._passed_over.items())
        yield from (one for feeds in self._feeds.values() for feed in feeds for one in feed.passed_over)

    def _lists_and_tables(self) -> tuple[frozenset[int], frozenset[int], dict[int, int], frozenset[int]]:
        """Positions of audio lists, of side files, of tables with sounds (with their rows), and of feeds.

        The first lines or the footers are read to find them.
        """
        if self._spec.modality == TEXT:
            return frozenset(), frozenset(), {}, frozenset()
        perhaps = [place for place, entry in enumerate(self._entries) if self._may_list(entry)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            kinds = dict(zip(perhaps, pool.map(self._kind, perhaps), strict=True))
        found = [
            frozenset(place for place, kind in kinds.items() if kind == name) for name in ("list", "table", "feed")
        ]
        sounds = {place: kind for place, kind in kinds.items() if isinstance(kind, int)}
        return found[0], found[1], sounds, found[2]

    def _may_list(self, entry: Entry) -> bool:
        url = entry.url
        if suffix(url) == ".parquet" or may_be_feed(entry, self._single):
            return True
        if self._single:  # NeMo also names its lists .json
            return is_json_lines(url) or suffix(url) == ".json"
        return is_json_lines(url) or url.rpartition("/")[2] in NAMES

    def _kind(self, place: int) -> str | int:
        """`list`, `table`, `feed`, `file`, or the number of a table's sounds."""
        entry = self._entries[place]
        if not entry.size_bytes:
            return "file"
        try:
            if may_be_feed(entry, self._single) and is_feed(entry):
                return "feed"
            if suffix(entry.url) == ".parquet":
                return num_sounds(entry.url) or "file"
            if not self._single and is_side_table(*self._opened(entry)):
                return "table"
            is_list = not entry.url.endswith(".csv") and is_audio_list(*self._opened(entry))
        except OF_ONE_FILE:  # reported when it is probed
            return "file"
        return "list" if is_list else "file"

    def _read_list(self, place: int) -> None:
        """Count a list's assets, mark the files that it names, and look up files outside of the input."""
        entry = self._entries[place]
        counts: Counter[str] = Counter()
        is_broken = False
        feeds: dict[str, FeedLine] = {}
        for _, found in self._lines(entry):
            if isinstance(found, Broken):
                is_broken = True
            elif isinstance(found, FeedLine):
                feeds.setdefault(found.url, found)
            elif not self._named.is_excluded(found.url):
                counts[found.url] += 1
        self._named.look_up([*counts, *feeds])
        for url in (*counts, *feeds):
            if (own := self._named.place(url)) is not None:
                self._listed[own] = 1
        self._feeds[place] = [self._feed(self._feed_entry(line, entry), line) for line in feeds.values()]
        self.num += counts.total() + is_broken

    def _is_own(self, place: int) -> bool:
        listing = any(place in some for some in (self._lists, self._tables, self._sounds, self._feeds))
        return not self._listed[place] and not listing

    def _file(self, entry: Entry) -> Asset:
        spec = self._spec
        modality = modality_of(entry.url, spec.modality)
        entry = checked(entry, spec.web) if modality == SPEECH else entry
        form = format_of(entry.url, modality)
        lang, about = self._side_files.of(entry.url)
        return Asset(
            uri=spec.name if self._single else self._uri(entry.url),
            url=entry.url,
            modality=modality,
            format=form,
            size_bytes=entry.size_bytes,
            content_version=_version(entry),
            lang=lang or spec.lang,
            metadata={**spec.metadata, **about},
            track=spec.track if modality == SPEECH else None,
            columns=self._settings(form),
            problem=entry.problem,
        )

    def _utterances(self, entry: Entry, seen: dict[str, int]) -> Iterator[Asset]:
        first_broken = ""
        for number, found in self._lines(entry):
            if isinstance(found, Broken):
                first_broken = first_broken or f"line {number}: {found.reason}"
            elif isinstance(found, Utterance) and not self._named.is_excluded(found.url):
                yield self._utterance(found, entry, number, seen)
        if first_broken:
            yield self._list_that_fails(entry, first_broken)

    def _lines(self, entry: Entry) -> Iterator[tuple[int, Utterance | FeedLine | Broken]]:
        """The lines of a list, with the urls to open."""
        for number, found in read_audio_list(*self._opened(entry)):
            if self._spec.web.private and not isinstance(found, Broken):
                yield number, replace(found, url=store.allowing_private(found.url))
            else:
                yield number, found

    def _feed_entry(self, line: FeedLine, list_entry: Entry) -> Entry:
        problem = f"InputError: {line.url}: no such file; {list_entry.url} names it"
        if self._named.is_outside(line.url):
            problem = _outside(line.url, list_entry.url)
        return self._named.entry(line.url) or Entry(line.url, 0, None, None, problem=problem)

    def _feed(self, entry: Entry, line: FeedLine | None = None) -> FeedAssets:
        is_input = self._single and line is None
        uri = self._spec.name if is_input else self._uri(entry.url)
        return read_assets(self._spec, entry, uri, self._within, is_input, line)

    def _feed_assets(self, feed: FeedAssets) -> Iterator[Asset]:
        for one in feed.recordings:
            yield self._recording(one)
        if feed.problem:
            entry = feed.entry
            version, lang = _version(entry), self._spec.lang
            yield Asset(feed.uri, entry.url, SPEECH, "feed", entry.size_bytes, version, lang, {}, problem=feed.problem)

    def _recording(self, found: Recording) -> Asset:
        entry = found.entry
        return Asset(
            uri=found.uri,
            url=entry.url,
            modality=SPEECH,
            format="audio",
            size_bytes=entry.size_bytes,
            content_version=_version(entry) if entry.etag or entry.mtime else "missing",
            lang=found.lang,
            metadata=found.metadata,
            track=self._spec.track,
            problem=entry.problem,
        )

    def _utterance(self, found: Utterance, list_entry: Entry, number: int, seen: dict[str, int]) -> Asset:
        entry = self._named.entry(found.url)
        entry = checked(entry, self._spec.web) if entry else None
        url = entry.url if entry else redacted(found.url)
        uri = self._uri(url) + found.fragment()
        seen[uri] = seen.get(uri, 0) + 1
        similar = self._named.similar(found.url)
        missing = f"InputError: {url}: no such file; line {number} of {list_entry.url} names it{similar}"
        if self._named.is_outside(found.url):
            missing = _outside(url, f"line {number} of {list_entry.url}")
        return Asset(
            # The same span may be listed with several texts.
            uri=uri if seen[uri] == 1 else f"{uri}&n={seen[uri]}",
            url=url,
            modality=SPEECH,
            format="utterance",
            size_bytes=entry.size_bytes if entry else 0,
            content_version=_version(entry) if entry else "missing",
            lang=found.lang or self._spec.lang,
            metadata={**self._spec.metadata, **found.metadata},
            start_ms=found.start_ms,
            end_ms=found.end_ms,
            track=self._spec.track,
            text=found.text,
            problem=entry.problem if entry else missing,
        )

    def _table_sounds(self, entry: Entry, num: int) -> Iterator[Asset]:
        """The rows of a table with sounds."""
        columns = {str(part): name for part, name in self._spec.columns.items()}
        for number, found in enumerate(read_sounds(entry.url, columns)):
            yield self._table_sound(entry, num, number, found)

    def _table_sound(self, entry: Entry, num: int, number: int, found: TableSound) -> Asset:
        return Asset(
            uri=f"{self._spec.name if self._single else self._uri(entry.url)}{ROW}{number}",
            url=f"{entry.url}{ROW}{number}",
            modality=SPEECH,
            format="row",
            size_bytes=entry.size_bytes // num,
            content_version=_version(entry),
            lang=found.lang or self._spec.lang,
            metadata={**self._spec.metadata, **found.metadata},
            text=found.text,
            problem=found.problem,
        )

    def _list_that_fails(self, entry: Entry, reason: str) -> Asset:
        """A list with unreadable lines is an asset itself, so that it is counted and reported."""
        problem = self._encoding(entry)[1] or f"InputError: {entry.url}: {reason}"
        uri = self._spec.name if self._single else self._uri(entry.url)
        version = _version(entry)
        settings = self._settings("list")
        return Asset(uri, entry.url, SPEECH, "list", entry.size_bytes, version, None, {}, settings, problem=problem)

    def _settings(self, form: str) -> dict[str, str]:
        """The settings with which a text of this format is read."""
        found = {str(part): name for part, name in self._spec.columns.items()} if form in _MAPPED else {}
        named = self._spec.encoding if form not in ("audio", "parquet") else None
        return {**found, ENCODING: named} if named else found

    def _opened(self, entry: Entry) -> tuple[str, str, str | None]:
        """Url, version and encoding of a list or side file."""
        return entry.url, _version(entry), self._encoding(entry)[0] if self._spec.encoding else None

    def _encoding(self, entry: Entry) -> tuple[str | None, str | None]:
        """The encoding of a list or side file, None for UTF-8; or the problem, where it is in another one."""
        if entry.url not in self._encodings:
            try:
                self._encodings[entry.url] = encoding_of(entry.url, self._spec.encoding), None
            except InputError as error:
                self._encodings[entry.url] = None, f"InputError: {error}"
        return self._encodings[entry.url]

    def _uri(self, url: str) -> str:
        return uri_below(self._spec.name, self._root, url)


def _not_below(url: str, root: str) -> str | None:
    """The problem of a side file's row that names a file outside of the input, whether there is one or not."""
    if store.is_below(url, root):
        return None
    cure = "a side file describes files below the input: move the file there, or correct the row"
    return f"OutsideInput: {url}: outside of the input, and not read; {cure}"


def _outside(url: str, place: str) -> str:
    cure = "set `follow: outside` for the input"
    return f"OutsideInput: {url}: outside of the input, and not read; {place} names it; {cure}"


def _version(entry: Entry) -> str:
    return identity.content_version(entry.etag, entry.size_bytes, entry.mtime)
