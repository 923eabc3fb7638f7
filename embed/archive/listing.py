"""Listing of an input: its files, the utterances that its lists name, and descriptions from its side files."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from embed.archive.assets import Asset, Assets, version_of
from embed.archive.chosen_files import chosen_files
from embed.archive.feed_assets import FeedAssets, is_feed, may_be_feed, read_assets
from embed.archive.feeds.web_files import checked
from embed.archive.inputs import InputSpec
from embed.archive.joined_transcripts import Transcripts, join_transcripts
from embed.archive.metadata.described import Described, described_by
from embed.archive.named_files import NamedFiles
from embed.archive.selection import Selection, in_words, without
from embed.archive.side_files import NAMES, broken_rows, is_side_table
from embed.archive.sound_tables import SoundTable, TableSound, read_sounds, sounds_in
from embed.archive.tars.members import REFUSED, Tars
from embed.archive.utterance_lists import FeedLine, Utterance, is_audio_list, read_audio_list, resolved
from embed.errors import OF_ONE_FILE, AbsentColumn, InputError
from embed.file_kinds import is_json_lines, suffix
from embed.redaction import redacted
from embed.storage import store
from embed.storage.store import Entry
from embed.tables import SPEECH, TEXT
from embed.text.documents import Broken

_AT_ONCE = 16  # first lines are small: threads wait rather than work


def found_in(spec: InputSpec) -> "Found":
    """The assets of an input.  Raises InputError where it is missing or holds nothing to embed."""
    root, entries, chosen = chosen_files(spec)
    described = described_by(spec, root, entries, chosen.passed_over)
    chosen, transcripts = join_transcripts(spec, entries, without(chosen, described.files, "metadata file"))
    found = Found(spec, root, chosen, described, transcripts)
    if found.only_tars and not found.num:
        kinds = Counter(kind for _, kind in found.passed_over())
        what = f"only {in_words(kinds)} in its tars" if kinds else "its tars are empty"
        raise InputError(f"{spec.url}: nothing to embed: {what}")
    return found


class Found:
    """The assets of one input, in order of their urls; `num` of them.  `unused` are globs that match no file."""

    def __init__(
        self, spec: InputSpec, root: str, chosen: Selection, described: Described, transcripts: Transcripts
    ) -> None:
        self._spec, self._entries, self._single = spec, chosen.kept, chosen.single
        self._root = root.rpartition("/")[0] if chosen.single else root
        self._assets = Assets(spec, self._root, chosen.single, described, transcripts)
        self._side_files, self._columns = self._assets.side_files, self._assets.columns
        self._transcripts = transcripts
        self._unlisted = chosen.single or chosen.numbered  # its folder may have other files
        self._near: set[str] = set()  # folders whose tars were added for a list
        self.url, self.unused, self._passed_over = spec.url, chosen.unused, chosen.passed_over
        self._described = described
        self._unfit: dict[str, str] = {}  # problems of tables, by url
        self._tars = Tars(spec.modality, self._columns)
        self._tars.add(dict(enumerate(self._entries)))
        self._lists, self._tables, self._sounds, own_feeds = self._lists_and_tables()
        self._within = self._root if spec.follow == "inside" else None
        self._feeds: dict[int, list[FeedAssets]] = {}  # by place of the feed, or of the list that names it
        self._broken = {place for place in self._tables if self._side_files.read(*self._opened(place))}
        # Files that a list or a feed names are embedded as listed, not also as whole files.
        of_paths = [place for place, table in self._sounds.items() if table.has_paths_alone]
        named = self._entries if self._lists or self._tables or of_paths or own_feeds else ()
        self._named = NamedFiles(named, self._passed_over, self._within)
        self._listed = bytearray(len(self._entries))
        absent = self._side_files.match(self._named.places, self._passed_over)
        self._missing = {url: _not_below(url, self._root) or problem for url, problem in absent.items()}
        self.num = len(self._missing) + len(self._broken) + len(described.problems)
        self.num += sum(table.rows for table in self._sounds.values())
        for place in self._lists:
            self._read_list(place)
        for place in of_paths:
            self._read_paths(self._entries[place])
        for place in own_feeds:
            if not self._listed[place]:
                self._feeds[place] = [self._feed(self._entries[place])]
        self._mark_those_of_feeds()
        self.num += self._tars.num() + sum(feed.num for feed in self._every_feed())
        self.num += sum(1 for place in range(len(self._entries)) if self._is_own(place))

    def __iter__(self) -> Iterator[Asset]:
        seen: dict[str, int] = {}  # uris of utterances, in all lists
        for place, entry in enumerate(self._entries):
            if place in self._lists:
                yield from self._utterances(entry, seen)
            elif place in self._broken:
                broken = next(broken_rows(*self._assets.opened(entry)), None)
                yield self._assets.of_broken_list(entry, broken.reason if broken else "could not be read; run again")
            elif place in self._sounds:
                yield from self._table_sounds(entry, self._sounds[place])
            elif place in self._tars:
                yield from map(self._assets.of_member, self._tars.members(place))
            elif self._is_own(place):
                yield self._assets.of_file(entry, self._unfit.get(entry.url))
            for feed in self._feeds.get(place, ()):
                yield from self._feed_assets(feed)
        for url, problem in ((redacted(url), redacted(problem)) for url, problem in self._missing.items()):
            yield Asset(self._assets.uri(url), url, SPEECH, "audio", 0, "missing", self._spec.lang, {}, problem=problem)
        for entry, problem in self._described.problems:
            uri, version = self._assets.uri(entry.url), version_of(entry)
            yield Asset(uri, entry.url, SPEECH, "list", entry.size_bytes, version, None, {}, problem=problem)

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """Uri and kind of each file that is not embedded, of each such member of a tar, and item of a feed."""
        yield from ((self._assets.uri(url), kind) for url, kind in self._passed_over.items())
        yield from ((self._assets.member_uri(url, name), kind) for url, name, kind in self._tars.passed_over())
        yield from (one for feed in self._every_feed() for one in feed.passed_over)

    @property
    def only_tars(self) -> bool:
        return all(place in self._tars for place in range(len(self._entries)))

    def notes(self) -> Iterator[str]:
        """For the user: globs that match nothing, what is doubtful in tars and feeds, transcripts, missing metadata."""
        yield from (f"{self.url}: {glob} matches no file" for glob in self.unused)
        yield from self._tars.notes()
        yield from (note for feed in self._every_feed() for note in feed.notes)
        yield from self._transcripts.notes
        if self._spec.metadata_from:
            yield from self._described.notes([one for place, one in enumerate(self._entries) if self._is_own(place)])

    def _opened(self, place: int) -> tuple[str, str, str | None]:
        return self._assets.opened(self._entries[place])

    def _every_feed(self) -> Iterator[FeedAssets]:
        return (feed for some in self._feeds.values() for feed in some)

    def _mark_those_of_feeds(self) -> None:
        """Files of the input that items of feeds have are embedded as these items."""
        for found in (one for feed in self._every_feed() for one in feed.recordings if not one.entry.problem):
            if (own := self._named.places.get(found.entry.url)) is not None:
                self._listed[own] = 1

    def _lists_and_tables(
        self,
    ) -> tuple[frozenset[int], frozenset[int], dict[int, SoundTable], frozenset[int]]:
        """Positions of audio lists, of side files, of tables with sounds, and of feeds.

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
        sounds = {place: kind for place, kind in kinds.items() if isinstance(kind, SoundTable)}
        return found[0], found[1], sounds, found[2]

    def _may_list(self, entry: Entry) -> bool:
        url = entry.url
        if suffix(url) == ".parquet" or may_be_feed(entry, self._single):
            return True
        # NeMo also names its lists .json
        return is_json_lines(url) or suffix(url) == ".json" or url.rpartition("/")[2] in NAMES

    def _kind(self, place: int) -> "str | SoundTable":
        """`list`, `table`, `feed`, `file`, or a table with sounds."""
        entry = self._entries[place]
        if not entry.size_bytes:
            return "file"
        try:
            if may_be_feed(entry, self._single) and is_feed(entry):
                return "feed"
            if suffix(entry.url) == ".parquet":
                found = sounds_in(entry.url, self._columns)
                return found if found and found.rows else "file"
            if not self._single and is_side_table(*self._assets.opened(entry)):
                return "table"
            is_list = not entry.url.endswith(".csv") and is_audio_list(*self._assets.opened(entry))
        except AbsentColumn as error:
            self._unfit[entry.url] = f"{type(error).__name__}: {error}"
            return "file"
        except OF_ONE_FILE:  # reported when it is probed
            return "file"
        return "list" if is_list else "file"

    def _read_list(self, place: int) -> None:
        """Count a list's assets, mark the files that it names, and look up files outside of the input."""
        entry = self._entries[place]
        counts: Counter[tuple[str, str]] = Counter()
        is_broken = False
        feeds: dict[str, FeedLine] = {}
        for _, found in self._lines(entry):
            if isinstance(found, Broken):
                is_broken = True
            elif isinstance(found, FeedLine):
                feeds.setdefault(found.url, found)
            elif not self._named.is_excluded(found.url):
                counts[found.url, found.tars] += 1
        self._look_up(entry.url.rpartition("/")[0], [*counts, *((url, "") for url in feeds)])
        for url, tars in [*counts, *((url, "") for url in feeds)]:
            if self._tars.named(url, tars) is None and (own := self._named.place(url)) is not None:
                self._listed[own] = 1
        self._feeds[place] = [self._feed(self._feed_entry(line, entry), line) for line in feeds.values()]
        self.num += counts.total() + is_broken

    def _look_up(self, folder: str, named: list[tuple[str, str]]) -> None:
        """Find what a list in this folder names: files, then members of the tars next to the list, other files."""
        if self._unlisted and folder not in self._near:
            self._near.add(folder)
            first = next((url for url, _ in named if store.is_below(url, folder)), None)
            if first and not store.inputs(first):
                near = store.inputs(folder, contained=self._spec.follow == "inside")
                self._tars.add_near([one for one in near if one.url.rpartition("/")[0] == folder])
        absent = [one for one in named if one[0] not in self._named.places]
        self._tars.look_up(folder, absent)
        self._named.look_up(url for url, tars in absent if self._tars.named(url, tars) is None)

    def _is_own(self, place: int) -> bool:
        listing = any(place in some for some in (self._lists, self._tables, self._sounds, self._feeds, self._tars))
        return not self._listed[place] and not listing

    def _utterances(self, entry: Entry, seen: dict[str, int]) -> Iterator[Asset]:
        first_broken = ""
        for number, found in self._lines(entry):
            if isinstance(found, Broken):
                first_broken = first_broken or f"line {number}: {found.reason}"
            elif isinstance(found, Utterance) and not self._named.is_excluded(found.url):
                yield self._utterance(found, entry, number, seen)
        if first_broken:
            yield self._assets.of_broken_list(entry, first_broken)

    def _utterance(self, found: Utterance, list_entry: Entry, number: int, seen: dict[str, int]) -> Asset:
        entry = self._tars.named(found.url, found.tars) or self._named.entry(found.url)
        entry = checked(entry, self._spec.web) if entry else None
        url = entry.url if entry else redacted(found.url)
        uri = self._assets.uri(url) + found.fragment()
        seen[uri] = seen.get(uri, 0) + 1
        uri = uri if seen[uri] == 1 else f"{uri}&n={seen[uri]}"  # the same span may be listed with several texts
        no_member = "" if entry else self._tars.reason(found.url, found.tars)
        problem = "" if entry else self._absent(found.url, f"line {number} of {list_entry.url}", no_member)
        return self._assets.of_utterance(found, uri, url, entry, REFUSED if no_member else "utterance", problem)

    def _lines(self, entry: Entry) -> Iterator[tuple[int, Utterance | FeedLine | Broken]]:
        """The lines of a list, with the urls to open."""
        for number, found in read_audio_list(*self._assets.opened(entry)):
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
        uri = self._spec.name if is_input else self._assets.uri(entry.url)
        return read_assets(self._spec, entry, uri, self._within, is_input, line)

    def _feed_assets(self, feed: FeedAssets) -> Iterator[Asset]:
        for one in feed.recordings:
            yield self._assets.of_item(one)
        if feed.problem:
            entry = feed.entry
            version, lang = version_of(entry), self._spec.lang
            yield Asset(feed.uri, entry.url, SPEECH, "feed", entry.size_bytes, version, lang, {}, problem=feed.problem)

    def _absent(self, named: str, by: str, more: str = "") -> str:
        """The problem of a file that a list or a table names, and that there is not; `more` is known of it."""
        url = redacted(named)
        if self._named.is_outside(named):
            return _outside(url, by)
        return f"InputError: {url}: no such file; {by} names it{self._named.similar(named)}{more}"

    def _read_paths(self, table: Entry) -> None:
        """Look up the files that a table with paths alone names, and mark those of the input."""
        counts = Counter(self._named_by(table, found) or "" for found in read_sounds(table.url, self._columns))
        self.num -= sum(num for url, num in counts.items() if self._named.is_excluded(url))
        urls = [url for url in counts if url and not self._named.is_excluded(url)]
        self._named.look_up(urls)
        for url in urls:
            if (own := self._named.place(url)) is not None:
                self._listed[own] = 1

    def _named_by(self, table: Entry, found: TableSound) -> str | None:
        """The url of the file that a row names; None where it names none."""
        try:
            return resolved(table.url.rpartition("/")[0], found.path) if found.path else None
        except ValueError:
            return None

    def _table_sounds(self, entry: Entry, table: SoundTable) -> Iterator[Asset]:
        """The rows of a table with sounds."""
        for number, found in enumerate(read_sounds(entry.url, self._columns)):
            sound = self._assets.of_row(entry, table.rows, number, found)
            if not table.has_paths_alone:
                yield sound
            elif not self._named.is_excluded(url := self._named_by(entry, found) or ""):
                yield self._with_file(sound, f"row {number} of {entry.url}", url)

    def _with_file(self, sound: Asset, row: str, url: str) -> Asset:
        """A row of a table with paths alone: its sound is in the file that it names."""
        if sound.problem or not url:
            return sound  # it fails without a sound
        if entry := self._named.entry(url):
            version, problem = version_of(entry), entry.problem or self._described.of(entry.url).problem
            return replace(sound, url=entry.url, size_bytes=entry.size_bytes, content_version=version, problem=problem)
        problem = self._absent(url, row)
        return replace(sound, url=redacted(url), size_bytes=0, content_version="missing", problem=problem)


def _not_below(url: str, root: str) -> str | None:
    """The problem of a side file's row that names a file outside of the input, whether there is one or not."""
    if store.is_below(url, root):
        return None
    cure = "a side file describes files below the input: move the file there, or correct the row"
    return f"OutsideInput: {url}: outside of the input, and not read; {cure}"


def _outside(url: str, place: str) -> str:
    cure = "set `follow: outside` for the input"
    return f"OutsideInput: {url}: outside of the input, and not read; {place} names it; {cure}"
