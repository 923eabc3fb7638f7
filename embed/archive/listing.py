"""Listing of an input: its files, the utterances that its lists name, and descriptions from its side files."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from embed import identity
from embed.archive.inputs import InputSpec
from embed.archive.side_files import NAMES, SideFiles, broken_rows, is_side_table
from embed.archive.utterance_lists import Utterance, is_audio_list, read_audio_list, uri_below
from embed.errors import InputError
from embed.file_kinds import format_of, is_json_lines, is_side_file, modality_of, suffix
from embed.storage import store
from embed.storage.store import Entry
from embed.tables import SPEECH, TEXT
from embed.text.documents import Broken

_AT_ONCE = 16  # first lines are small: threads wait rather than work
_MAPPED = ("jsonl", "csv", "parquet")

log = logging.getLogger(__name__)


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
    entries = store.listing(root)
    single = [entry.url for entry in entries] == [root]
    kept = entries if single else [entry for entry in entries if not is_side_file(entry.url[len(root) :].lstrip("/"))]
    if not kept:
        what = f"only {len(entries)} hidden or side files" if entries else "no such file, and no files below it"
        formats = "Deglu reads recordings, .txt, .jsonl, .csv and .parquet"
        raise InputError(f"{spec.url}: nothing to embed: {what}; {formats}")
    if len(kept) < len(entries):
        log.info("%s: %d hidden or side files of %d skipped", spec.url, len(entries) - len(kept), len(entries))
    return Found(spec, root, kept, single)


class Found:
    """The assets of one input, in order of their urls; `num` of them."""

    def __init__(self, spec: InputSpec, root: str, entries: list[Entry], single: bool) -> None:
        self._spec, self._entries, self._single = spec, entries, single
        self._root = root.rpartition("/")[0] if single else root
        self._lists, self._tables = self._lists_and_tables()
        self._side_files = SideFiles()
        self._broken = {
            place for place in self._tables if self._side_files.read(entries[place].url, _version(entries[place]))
        }
        # Files that a list names are embedded as listed, not also as whole files.
        self._places = {entry.url: place for place, entry in enumerate(entries)} if self._lists or self._tables else {}
        self._listed = bytearray(len(entries))
        self._elsewhere: dict[str, Entry | None] = {}
        self._missing = [url for url in self._side_files.about if url not in self._places]
        self.num = len(self._missing) + len(self._broken)
        for place in self._lists:
            self._read_list(place)
        self.num += sum(1 for place in range(len(entries)) if self._is_own(place))

    def __iter__(self) -> Iterator[Asset]:
        for place, entry in enumerate(self._entries):
            if place in self._lists:
                yield from self._utterances(entry)
            elif place in self._broken:
                yield self._list_that_fails(entry, next(broken_rows(entry.url, _version(entry))).reason)
            elif self._is_own(place):
                yield self._file(entry)
        for url in self._missing:
            problem = f"InputError: {url}: no such file; a side file names it"
            yield Asset(self._uri(url), url, SPEECH, "audio", 0, "missing", self._spec.lang, {}, problem=problem)

    def _lists_and_tables(self) -> tuple[frozenset[int], frozenset[int]]:
        """Positions of audio lists and of side files; their first lines are read to find them."""
        if self._spec.modality == TEXT:
            return frozenset(), frozenset()
        perhaps = [place for place, entry in enumerate(self._entries) if self._may_list(entry.url)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            kinds = dict(zip(perhaps, pool.map(self._kind, perhaps), strict=True))
        found = [frozenset(place for place, kind in kinds.items() if kind == name) for name in ("list", "table")]
        return found[0], found[1]

    def _may_list(self, url: str) -> bool:
        if self._single:  # NeMo also names its lists .json
            return is_json_lines(url) or suffix(url) == ".json"
        return is_json_lines(url) or url.rpartition("/")[2] in NAMES

    def _kind(self, place: int) -> str:
        entry = self._entries[place]
        if not entry.size_bytes:
            return "file"
        try:
            if not self._single and is_side_table(entry.url, _version(entry)):
                return "table"
            is_list = not entry.url.endswith(".csv") and is_audio_list(entry.url, _version(entry))
        except InputError:  # reported when it is probed
            return "file"
        return "list" if is_list else "file"

    def _read_list(self, place: int) -> None:
        """Count a list's assets, mark the files that it names, and look up files outside of the input."""
        entry = self._entries[place]
        unknown: dict[str, None] = {}
        broken = 0
        for _, found in read_audio_list(entry.url, _version(entry)):
            if isinstance(found, Broken):
                broken = 1
                continue
            self.num += 1
            if found.url in self._places:
                self._listed[self._places[found.url]] = 1
            elif found.url not in self._elsewhere:
                unknown[found.url] = None
        self.num += broken
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self._elsewhere.update(zip(unknown, pool.map(_entry_of, unknown), strict=True))

    def _is_own(self, place: int) -> bool:
        return not self._listed[place] and place not in self._lists and place not in self._tables

    def _file(self, entry: Entry) -> Asset:
        spec = self._spec
        modality = modality_of(entry.url, spec.modality)
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
            columns={str(part): name for part, name in spec.columns.items()} if form in _MAPPED else {},
        )

    def _utterances(self, entry: Entry) -> Iterator[Asset]:
        seen: dict[str, int] = {}
        first_broken = ""
        for number, found in read_audio_list(entry.url, _version(entry)):
            if isinstance(found, Broken):
                first_broken = first_broken or f"line {number}: {found.reason}"
                continue
            uri = self._uri(found.url) + found.fragment()
            seen[uri] = seen.get(uri, 0) + 1
            # The same span may be listed with several texts.
            yield self._utterance(found, uri if seen[uri] == 1 else f"{uri}&n={seen[uri]}", entry, number)
        if first_broken:
            yield self._list_that_fails(entry, first_broken)

    def _utterance(self, found: Utterance, uri: str, list_entry: Entry, number: int) -> Asset:
        place = self._places.get(found.url)
        entry = self._entries[place] if place is not None else self._elsewhere[found.url]
        problem = f"InputError: {found.url}: no such file; line {number} of {list_entry.url} names it"
        return Asset(
            uri=uri,
            url=found.url,
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
            problem=None if entry else problem,
        )

    def _list_that_fails(self, entry: Entry, reason: str) -> Asset:
        """A list with unreadable lines is an asset itself, so that it is counted and reported."""
        problem = f"InputError: {entry.url}: {reason}"
        uri = self._spec.name if self._single else self._uri(entry.url)
        version = _version(entry)
        return Asset(uri, entry.url, SPEECH, "list", entry.size_bytes, version, None, {}, problem=problem)

    def _uri(self, url: str) -> str:
        return uri_below(self._spec.name, self._root, url)


def _entry_of(url: str) -> Entry | None:
    return next((entry for entry in store.listing(url) if entry.url == url), None)


def _version(entry: Entry) -> str:
    return identity.content_version(entry.etag, entry.size_bytes, entry.mtime)
