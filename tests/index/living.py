"""A dataset that changes, row by row, for the tests of what follows it; row i is the same whenever it is there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from embed.identity import digest
from embed.tables import ID, rows
from index.artifact import PROVENANCE_COPY, Lineage, Manifest, read_manifest
from index.build import build
from index.live import Change, append
from index.removed import live_rows, read_removed
from index.spec import IndexSpec
from index.staging import part_folder

DIM = 8
DIMS = (DIM, 4)
URL = "data/vectors"


@cache
def vector(number: int) -> FloatArray:
    """Unit length; rows of equal number modulo 5 are near each other."""
    middle = np.random.default_rng(number % 5).standard_normal(DIM)
    found = middle + 0.3 * np.random.default_rng(1000 + number).standard_normal(DIM)
    unit: FloatArray = (found / np.linalg.norm(found)).astype(np.float32)
    return unit


def segment(number: int) -> bytes:
    return digest("row", number)


def asset(number: int) -> bytes:
    """Two rows have one."""
    return digest("asset", number // 2)


def _row(number: int, modality: str, encoder: str, space: str) -> dict[str, Any]:
    return {
        "segment_id": segment(number),
        "asset_id": asset(number),
        "unit_id": digest("unit", number // 2),
        "uri": f"{modality}/{number // 2}",
        "content_version": "v",
        "modality": modality,
        "start": number,
        "end": number + 1,
        "text": f"passage {number}",
        "metadata": [("number", str(number))],
        "space": space,
        "encoder": encoder,
        "vector": vector(number).astype(np.float16),
    }


@dataclass(frozen=True)
class Info:
    rows: int
    space: str
    dims: tuple[int, ...] = DIMS
    metric: str = "cosine"


@dataclass(frozen=True)
class Some:
    """A part of the rows."""

    table: pa.Table

    @property
    def name(self) -> str:
        return digest(*self.table["segment_id"].to_pylist()).hex()

    @property
    def stored_rows(self) -> int:
        return int(self.table.num_rows)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self.table.select(list(columns)) if columns else self.table
        yield from table.to_batches(max_chunksize=max(2, self.table.num_rows // 2))


class Rows:
    """Keeps `index.contracts.Vectors`."""

    def __init__(
        self,
        text: Iterable[int] = (),
        speech: Iterable[int] = (),
        encoder: str = "encoder-1",
        space: str = "space-1",
        in_part: int | None = None,
    ) -> None:
        listed = [_row(number, "text", encoder, space) for number in text]
        listed += [_row(number, "speech", encoder, space) for number in speech]
        self.table = pa.Table.from_pylist(listed, schema=rows(DIM))
        self.info, self._in_part = Info(len(listed), space), in_part or max(3, len(listed) // 8)

    def parts(self) -> list[Some]:
        starts = range(0, self.table.num_rows, self._in_part)
        return [Some(self.table.slice(start, self._in_part)) for start in starts]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for part in self.parts():
            yield from part.batches(columns)


def lineage(version: int = 1, url: str = URL) -> Lineage:
    return Lineage(url=url, version=version, sha256=None, settings={})


def built(url: str, text: Iterable[int] = (), speech: Iterable[int] = (), coded: bool = False) -> Manifest:
    """Version 1 of the index at `url`."""
    coding = {"ladder": "coded", "lists": 4, "code_bits": 2.0} if coded else {"ladder": "exact"}
    spec = IndexSpec.model_validate({"vectors": URL, "output": url, "device": "cpu", **coding})
    return build(spec, Rows(text, speech), lineage())[0]


def appended(url: str, text: Iterable[int] = (), speech: Iterable[int] = (), forgotten: Iterable[int] = ()) -> Change:
    """As the dataset has these rows now; `forgotten` are rows whose assets it has taken down."""
    newest = read_manifest(url).lineage.version
    gone = pa.array(sorted({asset(number) for number in forgotten}), ID)
    return append(url, Rows(text, speech), lineage(newest + 1), gone)


def live(url: str, version: int | None = None) -> list[int]:
    """The numbers of the rows that may be hits, ascending."""
    manifest = read_manifest(url, version)
    removed, found = read_removed(url, manifest), []
    for entry in manifest.segments:
        numbers = pq.read_table(part_folder(url, entry.part) / PROVENANCE_COPY)["start"].to_numpy()
        kept = live_rows(removed, entry)
        found += (numbers if kept is None else numbers[kept]).tolist()
    assert len(found) == manifest.rows
    return sorted(found)
