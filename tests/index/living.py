"""A dataset that changes, row by row, for the tests of what follows it; row i is the same whenever it is there."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from embed.identity import digest
from embed.storage.numbered_log import create_entry
from embed.tables import ID, rows
from index.building.build import build
from index.building.merge import Source, segment_entry, write_segment
from index.building.shard import LISTS, write_shard
from index.live import Change, append
from index.live.revise import end_of
from index.parts.artifact import (
    FORMAT,
    PROVENANCE_COPY,
    ROWS,
    Lineage,
    Manifest,
    ModalityEntry,
    SegmentEntry,
    TopScores,
    read_manifest,
)
from index.parts.local import part_folder
from index.parts.removed import live_rows, read_removed
from index.parts.write import part_of, store_part
from index.rungs.coder import save_coder, train_coder
from index.spec import IndexSpec

DIM = 8
DIMS = (DIM, 4)
URL = "data/vectors"
# Thousands of small files are synced: not to a disk, where that can be.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


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

    def by_modality(self) -> Iterator[tuple[str, pa.Table]]:
        for modality in sorted(set(self.table["modality"].to_pylist())):
            yield modality, self.table.filter(pc.equal(self.table["modality"], modality))

    def parts(self) -> list[Some]:
        starts = range(0, self.table.num_rows, self._in_part)
        return [Some(self.table.slice(start, self._in_part)) for start in starts]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for part in self.parts():
            yield from part.batches(columns)


def lineage(version: int = 1, url: str = URL) -> Lineage:
    return Lineage(url=url, version=version, sha256=None, settings={})


def built(url: str, text: Iterable[int] = (), speech: Iterable[int] = (), coded: bool = False) -> Manifest:
    """The next version of the index at `url`; a coded one is not calibrated, so that nothing waits for it."""
    if coded:
        return _coded(url, Rows(text, speech))
    return build(_spec(url, "exact"), Rows(text, speech), lineage())[0]


def _spec(url: str, ladder: str) -> IndexSpec:
    return IndexSpec.model_validate({"vectors": URL, "output": url, "device": "cpu", "ladder": ladder})


def _coded(url: str, vectors: Rows) -> Manifest:
    """Version 1, with four lists and codes of two bits a dim in each modality."""
    segments: list[SegmentEntry] = []
    shared: dict[str, ModalityEntry] = {}
    for modality, table in vectors.by_modality():
        segment, entry = _coded_segment(url, modality, table, end_of(segments))
        segments.append(segment)
        shared[modality] = entry
    manifest = Manifest(
        format=FORMAT,
        version=1,
        spec=_spec(url, "coded"),
        space=vectors.info.space,
        dims=DIMS,
        metric="cosine",
        rows=vectors.info.rows,
        segments=tuple(segments),
        modalities=shared,
        removed=None,
        lineage=lineage(),
    )
    assert create_entry(url, manifest)
    return manifest


def _coded_segment(url: str, modality: str, table: pa.Table, first_id: int) -> tuple[SegmentEntry, ModalityEntry]:
    sample = np.stack([vector(number) for number in table["start"].to_pylist()]).astype(np.float16)
    coder = train_coder(sample, 4, DIM, 4)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in ("coder", "rows", "shard")}
        for folder in folders.values():
            folder.mkdir()
        save_coder(coder, folders["coder"])
        part = part_of(f"coder-{modality}", folders["coder"])
        store_part(url, part, folders["coder"])
        write_shard(Some(table), {modality: coder}, folders["shard"], URL)
        shard = folders["shard"] / modality
        source = Source(np.load(shard / ROWS), np.load(shard / LISTS), shard / PROVENANCE_COPY)
        write_segment([source], coder, folders["rows"])
        segment = segment_entry(folders["rows"], modality, first_id, "encoder-1", coded=True, drift=1.0)
        store_part(url, segment.part, folders["rows"])
    usual = dict.fromkeys(DIMS, TopScores(mean=0.0, std=1.0))
    return segment, ModalityEntry(coder=part, router=None, curves=(), top_scores=usual)


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
