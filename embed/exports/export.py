"""Driver of an export: the parts of a version, one after the other, each written completely or again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.dataset.vectors import DatasetPart, VectorsDataset
from embed.errors import InputError, SpecError
from embed.exports.card import NAME as CARD
from embed.exports.card import card
from embed.exports.note import ExportNote, begin, complete
from embed.exports.rows import READ, export_rows
from embed.exports.targets import target
from embed.storage.store import absolute, join, write_bytes

Report = Callable[[int], None]  # called with the rows of the dataset that are dealt with


@dataclass(frozen=True)
class Kept:
    """A filter: its text, and which rows of a table it keeps, [n]."""

    text: str
    mask: Callable[[pa.Table], NDArray[np.bool_]]


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    note: ExportNote
    rows: int
    before: int  # rows that an earlier run had written
    advice: list[str]  # lines for people on how to open it


def export_vectors(
    dataset: VectorsDataset,
    folder: str,
    to: str,
    dim: int | None = None,
    kept: Kept | None = None,
    report: Report = lambda rows: None,
) -> Exported:
    """Write the rows of a version at a declared width to `folder`, in the form of the store `to`.

    The same call goes on where a killed one ended: a part is written completely or again.  Memory does not grow with
    the rows.  Raises SpecError for a width that is not declared, an unknown store, a missing library, or a folder that
    has another export; InputError where no row is kept.
    """
    folder = absolute(folder)
    note = _note(dataset, to, dim, kept)
    make = target(to)
    begin(folder, note)
    store = make(folder, note.dim)
    written = store.written()
    rows = before = 0
    for place, part in enumerate(dataset.parts()):
        if part.name in written:
            before += written[part.name]
        else:
            rows += store.write(part.name, place, _rows(part, note.dim, kept))
        report(part.stored_rows)
    if not rows + before:
        raise InputError(f"{dataset.url}: no row to export{'' if kept is None else f' where {kept.text}'}")
    advice = store.finish()
    write_bytes(join(folder, CARD), card(dataset, note, rows + before, store.tables, advice).encode())
    complete(folder, note, rows + before)
    return Exported(note, rows + before, before, advice)


def _note(dataset: VectorsDataset, to: str, dim: int | None, kept: Kept | None) -> ExportNote:
    info = dataset.info
    if dim is not None and dim not in info.dims:
        declared = ", ".join(map(str, info.dims))
        raise SpecError(f"--dim {dim}: {dataset.url} declares the dims {declared}; choose one of these")
    return ExportNote(
        dataset=dataset.url,
        version=info.number,
        space=info.space,
        encoder=info.encoder,
        dims=info.dims,
        dim=dim or info.dims[0],
        metric=info.metric,
        to=to,
        where=None if kept is None else kept.text,
    )


def _rows(part: DatasetPart, dim: int, kept: Kept | None) -> Iterator[pa.RecordBatch]:
    for batch in part.batches(READ if kept is None else None):
        chosen = batch if kept is None else batch.filter(pa.array(kept.mask(pa.Table.from_batches([batch]))))
        if chosen.num_rows:
            yield export_rows(chosen, dim)
