"""Verification of an index: it has what its manifest says, and nothing that was removed.

The checks read storage only: they fetch nothing into a cache and use nothing from one.  A damaged or missing file is a
problem in the report, not an error.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.check import Check, problems_of, tried
from embed.errors import DegluError
from embed.identity import stream_sha256
from embed.quantities import many, many_files
from embed.storage.store import Entry, join, listing, open_input
from embed.tables import ID
from index.building.survey import ids_of
from index.live.purge import VersionLog, orphans, read_log
from index.parts.artifact import (
    PROVENANCE_COPY,
    REMOVED,
    REMOVED_ROWS,
    ROWS,
    ROWS_8,
    SCALES,
    FileEntry,
    Manifest,
    PartEntry,
    SegmentEntry,
    part_url,
    read_manifest,
)
from index.parts.removed import deleted_ids, live_rows, stored_removed

KEYS = ["segment_id", "asset_id"]
COMPACT = "`deglu index SPEC --compact` deletes them"
# Errors that reading a damaged file may raise; they are problems of the check.
UNREADABLE = (DegluError, pa.ArrowException, OSError, ValueError, IndexError)


def verify_index(
    url: str,
    version: int | None = None,
    forgotten: pa.Array | None = None,
    seen: Callable[[], None] = lambda: None,
) -> list[Check]:
    """All checks of a version, the newest by default; `seen` is called after each of its files.

    forgotten  ids of the assets that the dataset has forgotten; None where the dataset cannot be read

    Raises InputError where that version does not exist, StorageError where storage is out of reach.
    """
    read = _Read(url, read_manifest(url, version), forgotten, seen)
    checks = {
        "log": _check_log,
        "files": _check_files,
        "rows": _check_rows,
        "ids": _check_ids,
        "removed": _check_removed,
        "forgotten": _check_forgotten,
        "absence": _check_absence,
        "orphans": _check_orphans,
    }
    cure = "; repair the files first"
    return [tried(name, partial(check, read), UNREADABLE, cure) for name, check in checks.items()]


class _Read:
    """Inputs of the checks, each read once, at its first use."""

    def __init__(self, url: str, manifest: Manifest, forgotten: pa.Array | None, seen: Callable[[], None]) -> None:
        self.url, self.manifest, self.forgotten, self.seen = url, manifest, forgotten, seen

    @cached_property
    def log(self) -> VersionLog:
        return read_log(self.url)

    @cached_property
    def objects(self) -> dict[str, Entry]:
        """By part and name, of all parts on storage."""
        return {_short(entry.url): entry for entry in listing(join(self.url, "parts"))}

    @cached_property
    def removed(self) -> pa.Table:
        return self.removed_of(self.manifest)

    @cached_property
    def keys(self) -> dict[str, pa.Table]:
        """segment_id and asset_id of each segment of the version, by part."""
        parts = [entry.part.name for entry in self.manifest.segments]
        return {part: self.table(part_url(self.url, part), PROVENANCE_COPY, KEYS) for part in parts}

    def removed_of(self, manifest: Manifest) -> pa.Table:
        if manifest.removed is None:
            return REMOVED.empty_table()
        return self.table(part_url(self.url, manifest.removed.name), REMOVED_ROWS, REMOVED.names)

    def table(self, folder: str, name: str, columns: Sequence[str]) -> pa.Table:
        with open_input(join(folder, name)) as stream:
            return pq.read_table(stream, columns=list(columns))

    def live(self, entry: SegmentEntry) -> pa.Table:
        """Keys of the rows that may be hits."""
        kept = live_rows(self.removed, entry)
        keys = self.keys[entry.part.name]
        return keys if kept is None else keys.filter(pa.array(kept))


def _check_log(read: _Read) -> Check:
    log = read.log
    figures = f"{many(1 + len(log.older), 'version')}, {len(log.notes):,} removed by compactions"
    waiting = sum(len(parts) for parts in log.notes.values())
    cut_short = f"; {many(waiting, 'part')} still to be removed: run `deglu index SPEC --compact` again"
    return Check("log", figures + (cut_short if waiting else ""), problems_of(log.damaged.values()))


def _check_files(read: _Read) -> Check:
    """Every file of the version byte by byte; those of the other versions by name and size."""
    own = {part.name: part for part in read.manifest.parts}
    wrong = [problem for part in own.values() for problem in _check_part(read, part)]
    for version, manifest in {**read.log.older, read.log.newest.version: read.log.newest}.items():
        for part in manifest.parts:
            wrong += [] if part.name in own else list(_check_sizes(read, version, part))
    files = [file for part in own.values() for file in part.files.values()]
    size = sum(file.bytes for file in files)
    figures = f"{many_files(len(files), size)}, sizes and sha256 as in the manifest"
    return Check("files", figures, problems_of(wrong))


def _check_part(read: _Read, part: PartEntry) -> Iterator[str]:
    for name, file in part.files.items():
        problem = _wrong(join(part_url(read.url, part.name), name), file)
        read.seen()
        if problem:
            yield f"parts/{part.name}/{name}: {problem}; build the index again with `deglu index SPEC`"


def _wrong(place: str, file: FileEntry) -> str | None:
    try:
        with open_input(place) as stream:
            sha256, size = stream_sha256(stream), stream.tell()
    except DegluError:
        return "missing"
    if size != file.bytes:
        return f"{size:,} bytes where the manifest says {file.bytes:,}"
    return None if sha256 == file.sha256 else "damaged, its sha256 is not the manifest's"


def _check_sizes(read: _Read, version: int, part: PartEntry) -> Iterator[str]:
    for name, file in part.files.items():
        entry = read.objects.get(f"{part.name}/{name}")
        if entry is None or entry.size_bytes != file.bytes:
            yield f"parts/{part.name}/{name} of version {version}: {'has another size' if entry else 'missing'}"


def _check_rows(read: _Read) -> Check:
    """Files of a segment have as many rows as it says, and all segments as many as the version."""
    wrong = [problem for entry in read.manifest.segments for problem in _check_segment(read, entry)]
    live = sum(entry.rows for entry in read.manifest.segments) - stored_removed(read.removed)
    if live != read.manifest.rows:
        wrong.append(f"the segments hold {live:,} rows that may be hits, the manifest says {read.manifest.rows:,}")
    figures = f"{live:,} that may be hits, in {many(len(read.manifest.segments), 'segment')}"
    return Check("rows", figures, problems_of(wrong))


def _check_segment(read: _Read, entry: SegmentEntry) -> Iterator[str]:
    width = read.manifest.dims[0]
    shapes: dict[str, tuple[int, ...]] = {ROWS: (entry.rows, width)}
    if entry.coded:
        shapes |= {ROWS_8: (entry.rows, width), SCALES: (entry.rows,)}
    for name, shape in shapes.items():
        found = _shape(join(part_url(read.url, entry.part.name), name))
        if found != shape:
            yield f"parts/{entry.part.name}/{name}: has shape {found} where the manifest says {shape}"
    rows = read.keys[entry.part.name].num_rows
    if rows != entry.rows:
        yield f"parts/{entry.part.name}/{PROVENANCE_COPY}: {rows:,} rows where the manifest says {entry.rows:,}"


def _shape(place: str) -> tuple[int, ...]:
    """Shape of an .npy file, read from its header."""
    with open_input(place) as stream:
        np.lib.format.read_magic(stream)
        return np.lib.format.read_array_header_1_0(stream)[0]


def _check_ids(read: _Read) -> Check:
    ids = np.sort(np.concatenate([np.empty(0, "S16"), *(ids_of(keys["segment_id"]) for keys in read.keys.values())]))
    twice = np.unique(ids[1:][ids[1:] == ids[:-1]])
    problems = [f"segment {_hex(one)} is stored more than once" for one in twice]
    return Check("ids", f"{many(len(ids), 'segment id')}, no two equal", problems_of(problems))


def _check_removed(read: _Read) -> Check:
    """Removed rows are at their recorded positions, and deleted rows are not hits."""
    wrong = []
    for part, keys in read.keys.items():
        rows = read.removed.filter(pc.equal(read.removed["part"], part))
        stored_ids = keys["segment_id"].take(rows["position"])
        for expected, found in zip(rows["segment_id"].to_pylist(), stored_ids.to_pylist(), strict=True):
            if expected != found:
                wrong.append(f"parts/{part}: segment {found.hex()} is removed instead of {expected.hex()}")
    deleted = deleted_ids(read.removed)
    for entry in read.manifest.segments:
        back = pc.is_in(read.live(entry)["segment_id"], value_set=deleted)
        wrong += [f"{many(_sum(back), 'deleted row')} of {entry.part.name} may be hits"] if _sum(back) else []
    stored = stored_removed(read.removed)
    still = f", {many(stored, 'row')} still in files: {COMPACT}" if stored else ""
    figures = f"{many(read.removed.num_rows, 'row')}, {len(deleted):,} deleted{still}"
    return Check("removed", figures, problems_of(wrong))


def _check_forgotten(read: _Read) -> Check:
    """Rows of assets that the dataset has forgotten are no hits."""
    if read.forgotten is None:
        return Check("forgotten", f"not known: {read.manifest.lineage.url} cannot be read")
    found = {
        entry.part.name: _sum(pc.is_in(read.live(entry)["asset_id"], value_set=read.forgotten))
        for entry in read.manifest.segments
    }
    problems = [
        f"parts/{part}: {many(rows, 'row')} of assets that {read.manifest.lineage.url} has forgotten may be hits; "
        "run `deglu index SPEC --append`, then `deglu index SPEC --compact`"
        for part, rows in found.items()
        if rows
    ]
    return Check("forgotten", f"{many(len(read.forgotten), 'asset')} forgotten by the dataset", problems_of(problems))


def _check_absence(read: _Read) -> Check:
    """Rows that were removed, or are of forgotten assets, in any file below the index."""
    newest = read.log.newest
    removed = read.removed_of(newest)
    assets = pa.array([], ID) if read.forgotten is None else read.forgotten
    ids = pa.concat_arrays([pa.array([], ID), *removed["segment_id"].chunks])
    if not len(ids) and not len(assets):
        return Check("absence", "nothing was removed")
    found = {place: rows for place, rows in _traces(read, ids, assets) if rows}
    what = f"{many(len(ids), 'removed row')}, {many(len(assets), 'forgotten asset')}"
    if not found:
        return Check("absence", f"{what}: in no file, proven")
    own = {part.name for part in newest.parts}
    compacted = not stored_removed(removed)
    problems = [
        f"{place}: {many(rows, 'row')} that a compaction has removed; build the index again"
        for place, rows in found.items()
        if compacted and place.split("/")[-2] in own
    ]
    where = f"{many(sum(found.values()), 'row')} in {many(len(found), 'file')}"
    return Check("absence", f"{what}: {where}; {COMPACT}", problems_of(problems))


def _traces(read: _Read, ids: pa.Array, assets: pa.Array) -> Iterator[tuple[str, int]]:
    """Each copy of provenance below the index, and how many of these rows it has."""
    places = [*read.objects.values(), *listing(join(read.url, "building"))]
    for entry in places:
        if entry.url.endswith(PROVENANCE_COPY):
            folder, _, name = entry.url.rpartition("/")
            keys = read.table(folder, name, KEYS)
            matches = [pc.is_in(keys[key], value_set=some) for key, some in (("segment_id", ids), ("asset_id", assets))]
            yield entry.url.removeprefix(read.url.rstrip("/") + "/"), _sum(pc.or_(*matches))


def _check_orphans(read: _Read) -> Check:
    """Reported without a problem: a writer may be about to publish them."""
    left = list(orphans(read.url, read.log.parts))
    size = sum(entry.size_bytes for entry in left)
    figures = f"{many_files(len(left), size)} that no version names; a compaction removes those older than a day"
    return Check("orphans", figures if left else "none")


def _short(place: str) -> str:
    return "/".join(place.rsplit("/", 2)[-2:])


def _sum(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask, min_count=0).as_py())


def _hex(segment: np.bytes_) -> str:
    return bytes(segment).ljust(16, b"\0").hex()
