"""From the dataset's order to the index's: which rows there are, and where each goes.

The order is by modality, then by segment_id, so that it does not depend on how the dataset's files were cut.
Two passes: the first reads ids and fingerprints and fixes the order, the second puts each row in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed.errors import FingerprintMismatch, InputError
from embed.tables import PROVENANCE
from index.contracts import IntArray, Vectors

SURVEYED = ["segment_id", "modality", "space", "encoder"]
SLICE_ROWS = 65_536

AGAIN = "`deglu embed SPEC --set output=ANOTHER`"


@dataclass(frozen=True)
class Survey:
    """Which rows there are, and where each goes."""

    modalities: tuple[str, ...]  # in the order of their ids
    counts: tuple[int, ...]
    encoders: tuple[str, ...]
    places: IntArray  # [n] id of each row, in the dataset's order

    @property
    def firsts(self) -> tuple[int, ...]:
        """Each modality's first id."""
        return tuple(int(first) for first in np.cumsum([0, *self.counts[:-1]]))


def survey(vectors: Vectors, url: str) -> Survey:
    """First pass.  Raises InputError where there is nothing to index or a row is there twice, FingerprintMismatch."""
    if vectors.info.metric != "cosine":
        raise InputError(f"{url}: metric {vectors.info.metric!r}; this index compares by cosine alone: {AGAIN}")
    batches = [batch.select(SURVEYED) for batch in vectors.batches(SURVEYED) if batch.num_rows]
    if not batches:
        raise InputError(f"{url}: no rows to index; embed something into it first with `deglu embed SPEC`")
    table = pa.Table.from_batches(batches)
    encoders = _encoders(table, vectors.info.space, url)
    ids = _ids(table["segment_id"])
    modality = np.asarray(table["modality"].to_numpy(), dtype=str)
    order = np.lexsort((ids, modality))
    _check_unique(ids[order], url)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    names, counts = np.unique(modality, return_counts=True)
    modalities = tuple(str(name) for name in names)
    return Survey(modalities, tuple(map(int, counts)), tuple(encoders[name] for name in modalities), places)


def write_rows(vectors: Vectors, where: Survey, files: Sequence[Path], url: str) -> pa.Table:
    """Second pass: each modality's rows into its .npy file, float16; returns the provenance of all, ordered by id.

    Raises InputError naming the first vector that is zero, NaN, infinite or of another width.
    """
    width = vectors.info.dims[0]
    targets = [
        np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(count, width))
        for file, count in zip(files, where.counts, strict=True)
    ]
    copies: list[pa.RecordBatch] = []
    done = 0
    for batch in vectors.batches():
        _scatter(_checked_vectors(batch, width, url), where.places[done : done + batch.num_rows], where, targets)
        copies.append(batch.select(PROVENANCE.names))
        done += batch.num_rows
    for target in targets:
        target.flush()
    return _in_order(pa.Table.from_batches(copies), where)


def _scatter(
    rows: NDArray[np.float16], places: IntArray, where: Survey, targets: Sequence[NDArray[np.float16]]
) -> None:
    for target, first in zip(targets, where.firsts, strict=True):
        here = (places >= first) & (places < first + len(target))
        target[places[here] - first] = rows[here]


def _in_order(table: pa.Table, where: Survey) -> pa.Table:
    """By id; in slices, so that no text column outgrows what one Arrow array may hold."""
    order = np.argsort(where.places)
    starts = range(0, len(order), SLICE_ROWS)
    slices = [table.take(pa.array(order[start : start + SLICE_ROWS])) for start in starts]
    return pa.concat_tables(slices).replace_schema_metadata(None)


def _encoders(table: pa.Table, space: str, url: str) -> dict[str, str]:
    """The one encoder of each modality."""
    spaces = sorted({*pc.unique(table["space"]).to_pylist(), space})
    if len(spaces) > 1:
        raise FingerprintMismatch(
            f"{url}: rows of several spaces ({', '.join(spaces)}); embed it again with one encoder: {AGAIN}"
        )
    makers = table.group_by(["modality", "encoder"]).aggregate([]).to_pylist()
    encoders: dict[str, str] = {}
    for maker in makers:
        other = encoders.setdefault(maker["modality"], maker["encoder"])
        if other != maker["encoder"]:
            raise FingerprintMismatch(
                f"{url}: {maker['modality']} rows of several encoders ({other}, {maker['encoder']}); "
                f"embed them again with one: {AGAIN}"
            )
    return encoders


def _check_unique(ids: NDArray[np.bytes_], url: str) -> None:
    """Of ids in order within each modality."""
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        shown = bytes(ids[twice[0]]).ljust(16, b"\0").hex()
        raise InputError(f"{url}: segment {shown} is there twice; see what else is wrong with `deglu verify {url}`")


def _checked_vectors(batch: pa.RecordBatch, width: int, url: str) -> NDArray[np.float16]:
    column = batch.column("vector")
    if column.type.list_size != width:
        raise InputError(f"{url}: vectors of width {column.type.list_size} where its dims say {width}; {AGAIN}")
    rows: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    norms = np.linalg.norm(rows.astype(np.float32), axis=1)
    wrong = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if len(wrong):
        at = int(wrong[0])
        row = batch.select(["uri", "segment_id"]).slice(at, 1).to_pylist()[0]
        what = "zero" if norms[at] == 0 else "NaN or infinite"
        raise InputError(
            f"{url}: the vector of segment {row['segment_id'].hex()} of {row['uri']} is {what}; embed again: {AGAIN}"
        )
    return rows


def _ids(column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    """[n] of 16 bytes, which sort as the bytes do."""
    parts = [np.frombuffer(part.buffers()[1], "S16")[part.offset : part.offset + len(part)] for part in column.chunks]
    return np.concatenate(parts)
