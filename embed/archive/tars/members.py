"""Tars of an input: their members are assets, read where they are in the tar; nothing is unpacked.

`<name>/<path>.tar#member=<name of the member>` is the uri of a member.  The etag or the time of the tar is that of its
members: on S3 a tar that is written anew has new members; on a local disk the digest of each member is compared, so
that a tar which was touched, or to which members were added, keeps its vectors (`embed.archive.contents`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embed.archive.sound_tables import TableSound
from embed.archive.tars.index import Kind, TarIndex, read_index
from embed.archive.tars.samples import Samples, describe, samples_of
from embed.errors import OF_ONE_FILE
from embed.file_kinds import format_of, is_tar, modality_of
from embed.storage import store
from embed.storage.store import Entry
from embed.storage.window import Window
from embed.tables import SPEECH, TEXT

_AT_ONCE = 8  # headers and descriptions are small: threads wait rather than work
_READ_TOGETHER = 128  # samples
REFUSED = "tar"  # format of a tar, or of a member, that is listed only to report its problem


class Member(NamedTuple):
    """A member to embed, or one that cannot be; `name` is None where it is the tar itself."""

    name: str | None
    entry: Entry
    modality: str
    format: str
    about: TableSound


@dataclass
class _Tar:
    entry: Entry
    index: TarIndex
    listed: bytearray  # of each member, whether a list names it

    def member(self, place: int) -> Entry:
        """Entry of a member; its url is that of a window of the tar."""
        entry, index = self.entry, self.index
        window = Window(entry.url, int(index.begins[place]), int(index.sizes[place]), index.names[place].as_py())
        return Entry(window.url, window.size, entry.etag, entry.mtime)

    def read(self, stream: BinaryIO, place: int) -> bytes:
        """The bytes of a member, from the tar's own stream."""
        stream.seek(int(self.index.begins[place]))
        return stream.read(int(self.index.sizes[place]))

    def samples(self, modality: str) -> Samples:
        return samples_of(self.index, modality, self.listed.__getitem__)


class Tars:
    """The tars among the entries of an input, by place, and those near a list; headers are read once, when added."""

    def __init__(self, modality: str, columns: Mapping[str, str]) -> None:
        self._modality, self._columns = modality, columns
        self._tars: dict[int, _Tar] = {}
        self._near: list[_Tar] = []
        self._named: dict[tuple[str, str], tuple[_Tar, int]] = {}
        self._doubtful: dict[tuple[str, str], str] = {}

    def add(self, entries: Mapping[int, Entry]) -> None:
        """Those that are tars and can be opened."""
        some = {place: one for place, one in entries.items() if _is_whole(one)}
        self._tars |= zip(some, _opened(some.values()), strict=True)

    def add_near(self, entries: Sequence[Entry]) -> None:
        """Those that are no part of the input, but next to a list of it, which may name their members."""
        known = {tar.entry.url for tar in self._tars.values()}
        self._near += _opened([one for one in entries if _is_whole(one) and one.url not in known])

    def __contains__(self, place: int) -> bool:
        return place in self._tars

    def num(self) -> int:
        """Assets of all tars, without those that a list names."""
        return sum(
            len(tar.samples(self._modality).assets) + (tar.index.problem is not None) for tar in self._tars.values()
        )

    def notes(self) -> Iterator[str]:
        """For the user: members that are replaced by a later one of the same name, tars without an end."""
        for tar in self._tars.values():
            if tar.index.note:
                yield tar.index.note
            if num := int((tar.index.kinds == Kind.REPLACED).sum()):
                what = "member has" if num == 1 else "members have"
                yield f"{tar.entry.url}: {num:,} {what} the name of a later one, which counts alone"

    def passed_over(self) -> Iterator[tuple[str, str, str]]:
        """Url of the tar, name and kind of each member that is no asset and describes none."""
        for tar in self._tars.values():
            for place, kind in tar.samples(self._modality).passed_over.items():
                yield tar.entry.url, tar.index.names[place].as_py(), kind

    def members(self, place: int) -> Iterator[Member]:
        """The assets of a tar in order, and the tar itself where it is cut short or damaged."""
        tar = self._tars[place]
        samples = iter(tar.samples(self._modality).assets.items())
        together = iter(lambda: list(islice(samples, _READ_TOGETHER)), [])
        for some in store.in_turn(partial(self._described, tar), together, _AT_ONCE):
            yield from some
        if tar.index.problem:
            modality = TEXT if self._modality == TEXT else SPEECH
            yield Member(None, tar.entry, modality, REFUSED, TableSound(problem=tar.index.problem))

    def _described(self, tar: _Tar, some: Sequence[tuple[int, list[int]]]) -> list[Member]:
        try:
            with store.open_input(tar.entry.url) as stream:
                data = [[tar.read(stream, part) for part in parts] for _, parts in some]
        except OF_ONE_FILE as error:
            problem = TableSound(problem=f"{type(error).__name__}: {error}")
            return [self._member(tar, place, problem) for place, _ in some]
        samples = zip(some, data, strict=True)
        return [one for (place, parts), found in samples for one in self._sample(tar, place, parts, found)]

    def _sample(self, tar: _Tar, place: int, parts: Sequence[int], data: Sequence[bytes]) -> Iterator[Member]:
        """An asset, and those of its descriptions that are broken."""
        names = [str(tar.index.names[part]) for part in parts]
        speech = modality_of(str(tar.index.names[place]), self._modality) == SPEECH
        about, broken = describe(list(zip(names, data, strict=True)), self._columns, speech)
        yield self._member(tar, place, about)
        for number, reason in broken:
            url = tar.member(parts[number]).url
            yield self._member(tar, parts[number], TableSound(problem=f"InputError: {url}: {reason}"))

    def _member(self, tar: _Tar, place: int, about: TableSound) -> Member:
        entry, name = tar.member(place), str(tar.index.names[place])
        if tar.index.kinds[place] == Kind.SPARSE:
            cure = "pack the tar again, without --sparse"
            about = TableSound(problem=f"InputError: {entry.url}: a sparse file, which cannot be read in place; {cure}")
        elif is_tar(name):
            about = TableSound(problem=f"InputError: {entry.url}: a tar in a tar is not read; unpack the outer one")
        modality = modality_of(name, self._modality)
        form = REFUSED if about.problem else "clip" if about.text and modality == SPEECH else format_of(name, modality)
        return Member(name, entry, modality, form, about)

    def look_up(self, folder: str, wanted: Sequence[tuple[str, str]]) -> None:
        """Find the members that a list in this folder names: the url, and a glob of the tars that may have it."""
        by_glob: dict[str, list[str]] = {}
        for url, glob in wanted:
            by_glob.setdefault(glob, []).append(url)
        for glob, urls in by_glob.items():
            tars = [tar for tar in (*self._tars.values(), *self._near) if _is_in(tar.entry.url, folder, glob)]
            for of_url, of_member in _FORMS if tars else ():
                names: dict[str, list[str]] = {}
                for url in urls:
                    if (url, glob) not in self._named:
                        names.setdefault(of_url(url[len(folder) :].lstrip("/")), []).append(url)
                self._find(tars, glob, names, of_member)

    def _find(
        self, tars: Sequence[_Tar], glob: str, names: Mapping[str, list[str]], of_member: Callable[[str], str]
    ) -> None:
        """The members with these names; the urls of each."""
        known, urls = pa.array(list(names), pa.string()), list(names.values())
        for tar in tars if names else ():
            own = pa.array([of_member(name) for name in tar.index.names.to_pylist()], pa.string())
            hits = pc.index_in(own, value_set=known).fill_null(-1).to_numpy()
            for place in np.flatnonzero((hits >= 0) & (tar.index.kinds == Kind.FILE)).tolist():
                for url in urls[hits[place]]:
                    first = self._named.setdefault((url, glob), (tar, place))
                    if first[0] is not tar:
                        self._doubtful[url, glob] = f"{first[0].entry.url} and {tar.entry.url}"

    def named(self, url: str, glob: str) -> Entry | None:
        """The member that a list names, after `look_up`; None where there is none, or where several tars have it."""
        if (url, glob) in self._doubtful or (found := self._named.get((url, glob))) is None:
            return None
        tar, place = found
        tar.listed[place] = 1
        return tar.member(place)

    def reason(self, url: str, glob: str) -> str:
        """For a message, why `named` has none; empty where the list need not mean a member."""
        if several := self._doubtful.get((url, glob)):
            return f"; {several} have a member of this name: give each line its `shard_id`"
        return "" if "*" in glob else f"; {glob} next to the list has no member of this name"


def _is_whole(entry: Entry) -> bool:
    return is_tar(entry.url) and entry.size_bytes > 0 and not entry.problem


def _opened(entries: Iterable[Entry]) -> list[_Tar]:
    entries = list(entries)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        indexes = pool.map(read_index, (one.url for one in entries))
        return [_Tar(one, index, bytearray(len(index.names))) for one, index in zip(entries, indexes, strict=True)]


def _is_in(url: str, folder: str, glob: str) -> bool:
    here, _, name = url.rpartition("/")
    return here == folder and fnmatchcase(name, glob)


def _same(name: str) -> str:
    return name


def _without_number(name: str) -> str:
    """NeMo names a second stretch of `a.wav`, which its tar has once, `a-sub1.wav`."""
    return _SUB.sub(r"\1", name)


def _without_suffix(name: str) -> str:
    """lhotse names a recording by the id of its cut; the json next to it is no recording."""
    stem, _, end = name.rpartition(".")
    return "" if end == "json" else stem


# How a list may name a member: of the list's name, and of the member's.
_SUB = re.compile(r"-sub\d+(\.\w+)$")
_FORMS = ((_same, _same), (_without_number, _same), (_same, _without_suffix))
