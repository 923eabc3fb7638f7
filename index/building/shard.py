"""Shards: the rows of one part of a dataset, sorted for the merge, as a task of a build writes them.

<shard>/<modality>/rows.f16.npy         [n, D], ordered by list, then by segment_id
                   lists.i32.npy        [n], only where the modality has a coder
                   provenance.parquet   [n], in small row groups: a merge holds one of each shard in memory
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed.tables import PROVENANCE
from index.building.survey import by_modality, checked_vectors, ids_of, without
from index.contracts import VectorsPart
from index.parts.artifact import PROVENANCE_COPY, ROWS
from index.rungs.coder import Coder

LISTS = "lists.i32.npy"
GROUP_ROWS = 2_048


def write_shard(
    part: VectorsPart,
    coders: Mapping[str, Coder | None],
    folder: Path,
    url: str,
    skip: pa.Array | None = None,
    width: int | None = None,
) -> dict[str, int]:
    """Write the part's rows whose segment_id is not in `skip` into `folder`; the number of rows by modality.

    The whole part is in memory.  `coders` has every modality of the part.  Raises InputError naming the first vector
    that is zero, NaN, infinite or not of `width`; `width` None accepts any.  `url` is the dataset's, for messages.
    """
    found: dict[str, tuple[list[NDArray[np.float16]], list[pa.RecordBatch]]] = {}
    for batch in part.batches([*PROVENANCE.names, "vector"]):
        for modality, some in by_modality(without(batch, skip)):
            rows, copies = found.setdefault(modality, ([], []))
            rows.append(checked_vectors(some, width or some["vector"].type.list_size, url))
            copies.append(some.select(PROVENANCE.names))
    counts = {}
    for modality in sorted(found):
        rows, copies = found.pop(modality)
        provenance = pa.Table.from_batches(copies).replace_schema_metadata(None).combine_chunks()
        _write(np.concatenate(rows), provenance, coders[modality], folder / modality)
        counts[modality] = provenance.num_rows
    return counts


def _write(rows: NDArray[np.float16], provenance: pa.Table, coder: Coder | None, folder: Path) -> None:
    folder.mkdir(parents=True)
    lists = np.zeros(len(rows), np.int32) if coder is None else coder.lists_of(rows)
    order = np.lexsort((ids_of(provenance["segment_id"]), lists))
    np.save(folder / ROWS, rows[order], allow_pickle=False)
    if coder is not None:
        np.save(folder / LISTS, lists[order], allow_pickle=False)
    with pq.ParquetWriter(folder / PROVENANCE_COPY, PROVENANCE, compression="zstd") as writer:
        for some in _slices(order, GROUP_ROWS):
            writer.write_table(provenance.take(pa.array(some)))


def _slices(order: NDArray[np.int64], rows: int) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(order), rows):
        yield order[first : first + rows]
