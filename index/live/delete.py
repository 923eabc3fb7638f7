"""Deletion of rows, chosen by provenance: they are hidden at once; `compact` removes them from the files."""

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed.errors import InputError
from index.filter import Where
from index.live.revise import Change, revise, version_after
from index.parts.artifact import DELETED, PROVENANCE_COPY, Manifest, SegmentEntry
from index.parts.one_file import file_of
from index.parts.removed import live_rows, read_removed, removing

BATCH_ROWS = 65_536


def delete(url: str, where: Where) -> Change:
    """A version without the rows that match `where`; later appends and rebuilds do not bring them back.

    Raises InputError where no row of the newest version matches.
    """
    return revise(url, lambda newest: _without(url, newest, where))


def matching(provenance: Path, where: Where) -> Iterator[tuple[int, pa.Table, NDArray[np.bool_]]]:
    """Batches of the file: position of the first row, rows, and which of them match [n]."""
    first = 0
    with pq.ParquetFile(provenance) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            yield first, table, where.mask(table)
            first += table.num_rows


def _without(url: str, newest: Manifest, where: Where) -> tuple[Manifest | None, Change]:
    removed = read_removed(url, newest)
    counts: dict[str, int] = {}
    for entry in newest.segments:
        matches = pa.concat_tables([removed.slice(0, 0), *_matches(url, entry, removed, where)])
        if matches.num_rows:
            counts[entry.modality] = counts.get(entry.modality, 0) + matches.num_rows
            removed = pa.concat_tables([removed, matches])
    if not counts:
        raise InputError(
            f"{url}: no row matches {where.text!r}; the fields of rows are shown by"
            f" `deglu query {quote(url)} --text ANY --json`"
        )
    change = Change(newest, published=True, removed={DELETED: counts})
    return version_after(url, newest, newest.segments, removed), change


def _matches(url: str, entry: SegmentEntry, removed: pa.Table, where: Where) -> Iterator[pa.Table]:
    """REMOVED of the segment's live rows that match."""
    live = live_rows(removed, entry)
    with file_of(url, entry.part, PROVENANCE_COPY) as path:
        for first, table, mask in matching(path, where):
            here = mask if live is None else mask & live[first : first + len(mask)]
            yield removing(table, np.flatnonzero(here), entry.part.name, DELETED, first)
