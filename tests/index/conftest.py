"""Vectors whose answers are known, and indexes built from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.encoder import truncate
from embed.identity import digest
from embed.tables import rows
from index.ask.searcher import Index, open_index
from index.building.build import build
from index.building.survey import here
from index.calibration import calibrate, questions
from index.parts.artifact import Lineage, Manifest
from index.spec import IndexSpec
from index.table_vectors import PART_ROWS, TableVectors

SPACE = "space-1"
BATCH_ROWS = 300  # few enough that a test's rows come in several batches


def _row(modality: str, number: int, vector: Any, asset: str, encoder: str) -> dict[str, Any]:
    speech = modality == "speech"
    return {
        "segment_id": digest(modality, number),
        "asset_id": digest(asset),
        "unit_id": digest(asset, "unit"),
        "uri": asset,
        "content_version": "size:1;mtime:0",
        "modality": modality,
        "start_s": float(number) if speech else None,
        "end_s": number + 1.5 if speech else None,
        "start": None if speech else number * 10,
        "end": None if speech else number * 10 + 9,
        "lang": "fr" if speech else "en",
        "text": None if speech else f"passage {number}",
        "metadata": [("number", str(number))],
        "space": SPACE,
        "encoder": encoder,
        "vector": np.asarray(vector, np.float16),
    }


MakeVectors = Callable[..., TableVectors]


@pytest.fixture(scope="session")
def vectors_of() -> MakeVectors:
    """`vectors_of(speech=[n, D], text=[m, D], dims=(D, ...), rows_per_asset=1)`; row i's metadata has number i."""

    def make(speech: Any = (), text: Any = (), dims: tuple[int, ...] = (2,), rows_per_asset: int = 1) -> TableVectors:
        listed = [
            _row(modality, i, vector, f"{modality}/{i // rows_per_asset}", f"{modality}-encoder")
            for modality, some in (("text", text), ("speech", speech))
            for i, vector in enumerate(some)
        ]
        return TableVectors(pa.Table.from_pylist(listed, schema=rows(dims[0])), dims, SPACE, BATCH_ROWS)

    return make


@pytest.fixture(scope="session")
def as_vectors() -> MakeVectors:
    """`as_vectors(table, dims, batch_rows=300, part_rows=65_536)`: any table of `embed.tables.rows` as a dataset."""

    def make(
        table: pa.Table, dims: tuple[int, ...], batch_rows: int = BATCH_ROWS, part_rows: int = PART_ROWS
    ) -> TableVectors:
        return TableVectors(table, dims, SPACE, batch_rows, part_rows)

    return make


@pytest.fixture
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that measure themselves with a handful of questions: what is measured is tested where it is made."""
    monkeypatch.setattr(questions, "ROW_QUESTIONS", 64)
    monkeypatch.setattr(questions, "ROWS_REPORTED", 32)
    for name, value in (("DEPTHS", 8), ("SHORTLISTS", 4), ("SURVIVORS", 4)):
        monkeypatch.setattr(calibrate, name, value)


Build = Callable[..., tuple[Manifest, bool]]


@pytest.fixture(scope="session")
def build_at() -> Build:
    """`build_at(url, vectors, ladder=..., ...)`; how it is built: `in_tasks`, `progress`."""

    def make(
        url: str,
        vectors: TableVectors,
        new_version: bool = False,
        in_tasks: Any = here,
        progress: Any = None,
        **fields: Any,
    ) -> tuple[Manifest, bool]:
        spec = IndexSpec(vectors="data/vectors", output=url, device="cpu", **fields)
        lineage = Lineage(url="data/vectors", version=1, sha256=None, settings={})
        return build(spec, vectors, lineage, new_version, in_tasks=in_tasks, progress=progress)

    return make


@pytest.fixture
def opened(tmp_path: Path, build_at: Build) -> Callable[..., Index]:
    """`opened(vectors, ladder=..., ...)`: the index over them."""

    def make(vectors: TableVectors, **fields: Any) -> Index:
        build_at(str(tmp_path / "index"), vectors, **fields)
        return open_index(str(tmp_path / "index"))

    return make


Numbers = Callable[[Index, Any], list[int]]


@pytest.fixture(scope="session")
def numbers() -> Numbers:
    """Which rows the ids are, by the numbers they were made with."""

    def read(index: Index, ids: Any) -> list[int]:
        return [int(dict(row)["number"]) for row in index.rows(ids)["metadata"].to_pylist()]

    return read


def nested(n: int, width: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Unit rows whose energy falls along the dimensions, as those of a Matryoshka encoder do."""
    rng = np.random.default_rng(seed)
    return truncate((rng.standard_normal((n, width)) / np.sqrt(1 + np.arange(width))).astype(np.float32), width)


@pytest.fixture(scope="session")
def nested_rows() -> Callable[[int, int, int], Any]:
    return nested
