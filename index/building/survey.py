"""Survey of a dataset's rows, and a sample of them: one pass over ids and fingerprints, then one over the vectors.

Rows are sampled by their segment_ids, which are hashes: the smallest are a uniform sample that depends neither on the
dataset's files nor on the number of workers that read them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from shlex import quote
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed.errors import FingerprintMismatch, InputError
from index.contracts import Vectors, VectorsPart

SURVEYED = ["segment_id", "modality", "space", "encoder"]
SAMPLED = ["segment_id", "modality", "uri", "vector"]

AGAIN = "`deglu embed SPEC --set output=ANOTHER`"

Ids = NDArray[np.bytes_]  # [n] of 16 bytes, which sort as the bytes do
Made = TypeVar("Made")


class InTasks(Protocol):
    """Applies a function to each part; results come in any order."""

    def __call__(self, act: Callable[[VectorsPart], Made], parts: Sequence[VectorsPart], /) -> Iterator[Made]: ...


def here(act: Callable[[VectorsPart], Made], parts: Sequence[VectorsPart]) -> Iterator[Made]:
    """One part after another, in this process."""
    return map(act, parts)


@dataclass(frozen=True)
class Survey:
    """The rows to index: counts, encoders and ids by modality."""

    modalities: tuple[str, ...]  # in the order of their ids
    counts: tuple[int, ...]
    encoders: tuple[str, ...]
    ids: Mapping[str, Ids]  # by modality, ascending

    @property
    def firsts(self) -> tuple[int, ...]:
        """Each modality's first id."""
        return tuple(accumulate(self.counts, initial=0))[:-1]

    @property
    def rows(self) -> int:
        return sum(self.counts)


def survey(
    vectors: Vectors, url: str, skip: pa.Array | None = None, seen: Callable[[int], None] = lambda rows: None
) -> Survey:
    """The rows whose segment_id is not in `skip`; `seen` is called with the number of rows read.

    Raises InputError where there is nothing to index or a row is stored twice, FingerprintMismatch.
    """
    if vectors.info.metric != "cosine":
        raise InputError(f"{url}: metric {vectors.info.metric!r}; an index requires cosine, embed again: {AGAIN}")
    encoders: dict[str, str] = {}
    found: dict[str, list[Ids]] = {}
    for batch in vectors.batches(SURVEYED):
        seen(batch.num_rows)
        batch = without(batch, skip)
        _check_space(batch, vectors.info.space, url)
        for modality, rows in by_modality(batch):
            _check_encoder(encoders, modality, rows, url)
            found.setdefault(modality, []).append(ids_of(rows["segment_id"]))
    if not found:
        raise InputError(f"{url}: no rows to index; embed something into it first with `deglu embed SPEC`")
    names = tuple(sorted(found))
    ids = {name: np.sort(np.concatenate(found.pop(name))) for name in names}
    for some in ids.values():
        _check_unique(some, url)
    return Survey(names, tuple(len(ids[name]) for name in names), tuple(encoders[name] for name in names), ids)


def sample_rows(
    vectors: Vectors, surveyed: Survey, sizes: Mapping[str, int], url: str, in_tasks: InTasks = here
) -> dict[str, NDArray[np.float16]]:
    """Up to `sizes` rows [n, D] of each modality in it, those with the smallest segment_ids, in their order.

    Raises InputError for damaged vectors among them.
    """
    last = {name: bytes(surveyed.ids[name][:count][-1]).ljust(16, b"\0") for name, count in sizes.items()}
    sampler = _Sampler(last, vectors.info.dims[0], url)
    found = [piece for pieces in in_tasks(sampler, vectors.parts()) for piece in pieces]
    return {name: _in_order([piece for piece in found if piece[0] == name]) for name in sizes}


Piece = tuple[str, Ids, NDArray[np.float16]]


@dataclass(frozen=True)
class _Sampler:
    """The sampled rows of a part; pickles into workers."""

    last: Mapping[str, bytes]  # by modality, the last segment_id of the sample
    width: int
    url: str

    def __call__(self, part: VectorsPart) -> list[Piece]:
        return [piece for batch in part.batches(SAMPLED) for piece in self._pieces(batch)]

    def _pieces(self, batch: pa.RecordBatch) -> Iterator[Piece]:
        for modality, rows in by_modality(batch):
            if modality in self.last:
                ids = ids_of(rows["segment_id"])
                chosen = rows.filter(pa.array(ids <= np.bytes_(self.last[modality])))
                if chosen.num_rows:
                    yield modality, ids_of(chosen["segment_id"]), checked_vectors(chosen, self.width, self.url)


def by_modality(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each modality that the batch has."""
    names = pc.unique(batch["modality"]).to_pylist()
    if len(names) == 1:
        yield names[0], batch
    else:
        for name in names:
            yield name, batch.filter(pc.equal(batch["modality"], name))


def without(batch: pa.RecordBatch, skip: pa.Array | None) -> pa.RecordBatch:
    """The rows whose segment_id is not in `skip`."""
    if skip is None or not len(skip):
        return batch
    return batch.filter(pc.invert(pc.is_in(batch["segment_id"], value_set=skip)))


def ids_of(column: Any) -> Ids:
    """The ids of a column, an array or a chunked array."""
    chunks: Iterable[pa.Array] = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [np.frombuffer(part.buffers()[1], "S16")[part.offset : part.offset + len(part)] for part in chunks]
    return np.concatenate([np.empty(0, "S16"), *parts])


def checked_vectors(batch: pa.RecordBatch, width: int, url: str) -> NDArray[np.float16]:
    """Vectors [n, D] of a batch with segment_id, uri and vector.

    Raises InputError naming the first that is zero, NaN, infinite or of another width.
    """
    column = batch.column("vector")
    if column.type.list_size != width:
        raise InputError(f"{url}: vectors have width {column.type.list_size}, its dims say {width}; {AGAIN}")
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


def _in_order(pieces: list[Piece]) -> NDArray[np.float16]:
    order = np.argsort(np.concatenate([ids for _, ids, _ in pieces]))
    rows: NDArray[np.float16] = np.concatenate([rows for _, _, rows in pieces])[order]
    return rows


def _check_space(batch: pa.RecordBatch, space: str, url: str) -> None:
    spaces = sorted({*pc.unique(batch["space"]).to_pylist(), space})
    if len(spaces) > 1:
        raise FingerprintMismatch(
            f"{url}: has rows of several spaces ({', '.join(spaces)}); embed it again with one encoder: {AGAIN}"
        )


def _check_encoder(known: dict[str, str], modality: str, rows: pa.RecordBatch, url: str) -> None:
    """All rows of a modality have one encoder, which is recorded in `known`."""
    for encoder in pc.unique(rows["encoder"]).to_pylist():
        other = known.setdefault(modality, encoder)
        if other != encoder:
            raise FingerprintMismatch(
                f"{url}: has {modality} rows of several encoders ({other}, {encoder}); embed again with one: {AGAIN}"
            )


def _check_unique(ids: Ids, url: str) -> None:
    """Raises InputError where two of these ordered ids are equal."""
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        shown = bytes(ids[twice[0]]).ljust(16, b"\0").hex()
        raise InputError(f"{url}: segment {shown} is stored twice; `deglu verify {quote(url)}` lists all problems")
