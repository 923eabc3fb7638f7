"""The two-stage index beside faiss' exact flat one, on one thread, in batches and one question at a time.

The vectors are made up, since encoding so many takes hours here: unit rows whose energy falls along the dimensions, as
those of an encoder with a nesting transform do.  Their neighbours are farther apart in rank than real ones may be.
"""

import sys
from typing import Any

import numpy as np

from embed.encoder import FloatArray, truncate
from evaluate.bench.command import run_one
from evaluate.bench.shape import Row, document
from evaluate.bench.timing import interleaved, one_thread
from index.artifact import FORMAT, Lineage, Manifest
from index.contracts import IntArray
from index.faiss_library import library
from index.search import Index
from index.segment import FLOAT16_BYTES, FLOAT32_BYTES, Segment, prefix_index
from index.spec import IndexSpec

ROWS, WIDTH, SHORTLIST = 50_000, 384, 128
QUERIES, SINGLY, K = 1_000, 50, 10
SEED = 7
PEER = "faiss IndexFlatIP, exact, all dims"


def bench(n: int | None = None) -> dict[str, Any]:
    """n rows; never more questions than rows."""
    count = n or ROWS
    rng = np.random.default_rng(SEED)
    rows, queries = made_up(count, rng), made_up(min(QUERIES, count), rng)
    with one_thread():
        found = search_rows(index_of(rows), exact(rows), queries)
    return document("search", found, ("faiss-cpu", "faiss-gpu"))


def search_rows(ours: Index, theirs: Any, queries: FloatArray) -> list[Row]:
    """Speed of both at the recall that ours has against theirs, and what a row takes in memory."""
    k = min(K, len(ours))
    recall = shared(two_stages(ours, queries, k), theirs.search(queries, k)[1])
    what = f"recall@{k} {recall:.3f}, made-up vectors {len(ours)} x {WIDTH}"
    few = queries[:SINGLY]
    batch = interleaved({"ours": lambda: two_stages(ours, queries, k), "theirs": lambda: theirs.search(queries, k)})
    singly = interleaved(
        {
            "ours": lambda: [two_stages(ours, few[i : i + 1], k) for i in range(len(few))],
            "theirs": lambda: [theirs.search(few[i : i + 1], k) for i in range(len(few))],
        }
    )
    return [
        _speed(f"qps batch of {len(queries)}, {what}", len(queries), batch),
        _speed(f"qps one at a time, {what}", len(few), singly),
        Row(
            f"memory and mapped files, {what}",
            PEER,
            SHORTLIST * FLOAT32_BYTES + WIDTH * FLOAT16_BYTES,
            WIDTH * FLOAT32_BYTES,
            "bytes/vector",
            lower_is_better=True,
        ),
    ]


def _speed(measure: str, questions: int, spent: dict[str, float]) -> Row:
    return Row(measure, PEER, questions / spent["ours"], questions / spent["theirs"], "queries/cpu-s")


def two_stages(ours: Index, queries: FloatArray, k: int) -> IntArray:
    """ids [q, k]."""
    return ours.search(queries, k, modality="text").ids


def index_of(rows: FloatArray) -> Index:
    """An index of the shape that `deglu index` builds, with its usual depth, held in memory."""
    spec = IndexSpec(vectors="made-up", output="in-memory", shortlist_dim=SHORTLIST, device="cpu")
    halves = rows.astype(np.float16)
    manifest = Manifest(
        format=FORMAT,
        version=1,
        spec=spec,
        space="made-up",
        dims=(WIDTH, SHORTLIST),
        metric="cosine",
        rows=len(rows),
        segments=(),
        calibration={},
        lineage=Lineage(url="made-up", version=1, sha256=None, settings={}),
    )
    return Index(spec.output, manifest, [Segment("text", 0, prefix_index(halves, SHORTLIST), halves)], [])


def exact(rows: FloatArray) -> Any:
    """faiss' flat index over the same rows."""
    index = library().IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def made_up(n: int, rng: np.random.Generator) -> FloatArray:
    """Unit rows [n, 384] whose variance falls as 1 / (1 + dimension)."""
    normal = rng.standard_normal((n, WIDTH)) / np.sqrt(1 + np.arange(WIDTH))
    return truncate(normal.astype(np.float32), WIDTH)


def shared(found: IntArray, wanted: IntArray) -> float:
    """Mean share of each row of `wanted` [q, k] that is in the same row of `found`."""
    return float(np.mean([np.isin(row, other).mean() for row, other in zip(wanted, found, strict=True)]))


if __name__ == "__main__":
    sys.exit(run_one("search", bench))
