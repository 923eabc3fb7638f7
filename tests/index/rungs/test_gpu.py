"""A card's ladder: who answers is decided, hits are the CPU's; with faiss' float16 index of a CPU where no card is."""

from typing import Any

import numpy as np
import pytest

from embed.errors import InputError
from index.faiss_library import gpu_available, library
from index.neighbours import scan, unit_rows
from index.rungs.gpu import GpuRows, placed, unsuited
from index.rungs.segment import Segment

N, WIDTH, FIRST = 3_000, 64, 700


@pytest.fixture(scope="module")
def segment(nested_rows: Any) -> Segment:
    return Segment("text", FIRST, nested_rows(N, WIDTH, 1).astype(np.float16))


@pytest.fixture(
    params=["cpu", pytest.param("gpu", marks=[pytest.mark.gpu, pytest.mark.skipif("not gpu_available()")])],
)
def rows(request: pytest.FixtureRequest, segment: Segment) -> GpuRows:
    """On a card, or behind the same kind of index in a CPU's memory."""
    if request.param == "gpu":
        on_card = placed(segment, "gpu")
        assert on_card is not None
        return on_card
    faiss = library()
    half = faiss.IndexScalarQuantizer(WIDTH, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    half.add(unit_rows(segment.rows, WIDTH))
    return GpuRows(segment, half)


@pytest.mark.parametrize("k", [1, 10, 512])
def test_hits_are_those_of_reading_every_row(rows: GpuRows, segment: Segment, nested_rows: Any, k: int) -> None:
    queries = nested_rows(20, WIDTH, 2)
    found, true = rows.search(queries, k), scan(queries, segment.rows, k, WIDTH)
    assert np.mean(found.ids == true.ids + FIRST) > 0.999  # equal scores may change places
    np.testing.assert_allclose(found.scores, true.scores, atol=1e-6)


def test_fewer_rows_than_hits(segment: Segment) -> None:
    few = Segment("text", FIRST, segment.rows[:3])
    half = library().IndexFlatIP(WIDTH)
    half.add(unit_rows(few.rows, WIDTH))
    found = GpuRows(few, half).search(unit_rows(few.rows[:1], WIDTH), 5)
    assert sorted(found.ids[0, :3]) == [FIRST, FIRST + 1, FIRST + 2]
    assert found.ids[0, 3:].tolist() == [-1, -1]
    assert np.isneginf(found.scores[0, 3:]).all()


@pytest.mark.parametrize(
    ("k", "dim", "filtered", "why"),
    [
        (10, 384, False, None),
        (512, 384, False, None),
        (513, 384, False, "the card gives at most 512 hits, not 513"),
        (10, 128, False, "the card has the rows only at dim 384, not at 128"),
        (10, 384, True, "faiss' flat index on a card has no filter"),
    ],
)
def test_who_answers(k: int, dim: int, filtered: bool, why: str | None) -> None:
    assert unsuited(k, dim, 384, filtered) == why


def test_nothing_is_placed_for_the_cpu(segment: Segment) -> None:
    assert placed(segment, "cpu") is None


@pytest.mark.skipif(gpu_available(), reason="there is a GPU")
def test_without_a_card(segment: Segment) -> None:
    assert placed(segment, "auto") is None
    with pytest.raises(InputError, match="faiss sees no GPU here"):
        placed(segment, "gpu")


def test_a_card_too_small_leaves_the_rows_to_the_cpu(
    segment: Segment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(width: int) -> Any:
        raise RuntimeError("Error in allocMemory:\nError: cudaMalloc error out of memory [2]")

    monkeypatch.setattr("index.rungs.gpu.use_gpu", lambda device: True)
    monkeypatch.setattr("index.rungs.gpu.half_flat", full)
    assert placed(segment, "auto") is None
    assert "3000 text rows do not fit the card, so the CPU searches them (Error in allocMemory: " in caplog.text
