"""What a build learns of its rows: for each modality scores, and where it is coded a router and curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.building.merge import Source, segment_entry, write_segment
from index.building.shard import write_shard
from index.calibration.measure import MergedModality, calibrations
from index.calibration.questions import TYPED
from index.parts.artifact import LIST_SIZES, ROUTER
from index.rungs.coder import Coder
from tests.index.shelves import WIDTH, clustered, coder_of

pytestmark = pytest.mark.usefixtures("few_questions")

DIMS = (WIDTH, 8)


def _made(table: Any, modality: str, coder: Coder | None, first_id: int, folder: Path) -> MergedModality:
    """As a build does before it measures."""
    shard, whole = folder / "shards", folder / f"rows-{modality}"
    whole.mkdir()
    write_shard(table.parts()[0], {"speech": None, "text": None, modality: coder}, shard / modality, "data")
    source = shard / modality / modality
    lists = None if coder is None else np.load(source / "lists.i32.npy")
    write_segment([Source(np.load(source / "rows.f16.npy"), lists, source / "provenance.parquet")], coder, whole)
    entry = segment_entry(whole, modality, first_id, f"{modality}-encoder", coder is not None, None)
    return MergedModality(modality, whole, entry, coder, None)


def _heard(texts: Sequence[str]) -> Any:
    return clustered(len(texts), 9)


@pytest.mark.slow
def test_flat_rows_have_scores_and_coded_ones_curves_too(tmp_path: Path, vectors_of: Any) -> None:
    table = vectors_of(clustered(90, 1), clustered(600, 2), DIMS)
    made = [
        _made(table, "speech", None, 0, tmp_path),
        _made(table, "text", coder_of(clustered(600, 2)), 90, tmp_path),
    ]
    told: list[str] = []
    found = calibrations(DIMS, made, tmp_path, _heard, None, told.append)
    assert list(found) == ["speech", "text"]
    assert all(list(one.top_scores) == list(DIMS) for one in found.values())
    assert (found["speech"].router, found["speech"].curves) == (None, ())
    text = found["text"]
    assert text.router == tmp_path / "router-text"
    assert np.load(text.router / ROUTER).shape == (8, WIDTH + 1)
    assert {path.name for path in text.router.iterdir()} == {ROUTER, LIST_SIZES}
    assert np.load(text.router / LIST_SIZES).sum() == 600
    assert [(curve.dim, curve.k) for curve in text.curves] == [(dim, k) for dim in DIMS for k in (1, 10, 100)]
    assert all(set(curve.queries) == {"rows", *TYPED, "other"} for curve in text.curves)
    assert [line.split(":")[0] for line in told] == ["text at dim 16", "text at dim 8"]


def test_the_same_rows_teach_the_same(tmp_path: Path, vectors_of: Any) -> None:
    made = _made(vectors_of(text=clustered(600, 2), dims=DIMS), "text", coder_of(clustered(600, 2)), 0, tmp_path)
    routers, scores, curves = [], [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found = calibrations((WIDTH,), [made], tmp_path / name, None, None, lambda _: None)["text"]
        assert found.router is not None
        routers.append((found.router / ROUTER).read_bytes())
        scores.append(found.top_scores)
        curves.append(found.curves)
    assert routers[0] == routers[1]
    assert scores[0] == scores[1]
    assert curves[0] == curves[1] != ()
