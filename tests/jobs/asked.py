"""An index of what a tiny model embedded, for the tests of those who ask it."""

from typing import Any

import numpy as np
import pyarrow as pa

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.identity import digest
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from embed.tables import rows
from index.building.build import build
from index.parts.artifact import Lineage
from index.spec import IndexSpec
from index.table_vectors import TableVectors

TEXTS = ("rain in the north [today]", "the price of rice", "un marché à thiès", "goal in the last minute")


def tone(hz: float, seconds: float = 1.0) -> FloatArray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def asked_index(model: str, url: str) -> str:
    """Builds it at `url`: its documents are the texts, and a tone of 440 Hz."""
    encoder = load_model(resolve_model(model))
    prints = encoder.fingerprints
    vectors = np.concatenate([encoder.encode(TEXTS, "query"), encoder.encode([tone(440)], "query")])
    table = pa.Table.from_pylist(
        [_row(i, vector, prints.space, prints.encoder) for i, vector in enumerate(vectors)], schema=rows(32)
    )
    lineage = Lineage(url="data/vectors", version=1, sha256=None, settings={"model": model})
    build(IndexSpec(vectors="data/vectors", output=url), TableVectors(table, (32, 16, 8), prints.space), lineage)
    return url


def _row(number: int, vector: Any, space: str, encoder: str) -> dict[str, Any]:
    spoken = number == len(TEXTS)
    return {
        "segment_id": digest("segment", number),
        "asset_id": digest("asset", number),
        "unit_id": digest("unit", number),
        "uri": f"radio/{number}.x",
        "content_version": "v",
        "modality": "speech" if spoken else "text",
        "start_s": 75.0 if spoken else None,
        "end_s": 76.0 if spoken else None,
        "start": None if spoken else 0,
        "end": None if spoken else len(TEXTS[number]),
        "text": None if spoken else TEXTS[number],
        "space": space,
        "encoder": encoder,
        "vector": vector.astype(np.float16),
    }
