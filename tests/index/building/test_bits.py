"""Codes by trial: rows that are easy to tell apart need few bits, rows that are not need many; never a clock."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index.building.bits import MOST_SHORTLIST, CodeShape, Trial, best_code, code_for, cost, decided, shapes
from index.building.choose import choose
from index.spec import IndexSpec

SMALL = 5_000
FEW_OR_MANY = [CodeShape(48, 24), CodeShape(48, 6)]


def _rows(count: int, width: int, spread: float, seed: int = 7) -> NDArray[np.float16]:
    """Around 200 centres: near them rows lie closely, further out they fill all the space."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(200, width))
    rows = centres[random.integers(0, 200, count)] + spread * random.normal(size=(count, width))
    halves: NDArray[np.float16] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return halves


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ((384,), [(384, 192), (384, 128), (384, 96), (384, 48)]),
        ((384, 256, 128, 64), [(384, 192), (384, 128), (384, 96), (384, 48), (256, 128), (256, 64)]),
        ((1024, 512, 256), [(1024, 512), (1024, 256), (1024, 128), (512, 256), (512, 128), (512, 64)]),
        ((64, 128), [(128, 64), (128, 32), (128, 16), (64, 32), (64, 16), (64, 8)]),
        ((10,), [(10, 5)]),
        ((7,), []),
    ],
)
def test_shapes_worth_a_trial(dims: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert [(shape.dim, shape.subspaces) for shape in shapes(dims)] == expected


def test_a_shape_says_what_it_is() -> None:
    assert [str(shape) for shape in shapes((384,))] == [
        "2 bits x 384 dims", "1.33 bits x 384 dims", "1 bit x 384 dims", "0.5 bits x 384 dims",
    ]  # fmt: skip


def test_a_cost_is_what_is_read_and_what_is_ranked() -> None:
    # A quarter of a million rows, of 64 bytes each, and 70 candidates.
    assert cost(CodeShape(384, 128), 70, 1_000_000) == pytest.approx(250_000 * (0.47 + 64 / 30) + 70 * 300)


@pytest.mark.parametrize(
    ("needs", "best"),
    [
        ([(48, 900, 10.0), (96, 110, 82.0), (192, 30, 102.0)], 96),  # the cheapest keeps too little
        ([(96, 110, 82.0), (128, 58, 84.0), (192, 30, 102.0)], 128),  # as cheap, and with more to spare
        ([(96, 110, 60.0), (128, 58, 84.0)], 96),
        ([(48, 900, 10.0), (96, MOST_SHORTLIST + 1, 20.0)], 96),  # none keeps enough: the nearest to it
    ],
)
def test_decided(needs: list[tuple[int, int, float]], best: int) -> None:
    trials = [Trial(CodeShape(384, subspaces), shortlist, price) for subspaces, shortlist, price in needs]
    assert decided(trials).shape.subspaces == best
    assert decided(trials[::-1]).shape.subspaces == best


@pytest.mark.slow
def test_few_bits_for_rows_in_tight_groups_and_many_for_rows_all_over_the_space() -> None:
    # The ten nearest of a row are of its group of 25, and 25 places hold them; without groups all rows are rivals.
    grouped, _ = best_code(_rows(SMALL, 48, 0.2), 100_000, FEW_OR_MANY)
    spread, (many, few) = best_code(_rows(SMALL, 48, 5.0), 100_000, FEW_OR_MANY)
    assert (str(grouped), str(spread)) == ("0.5 bits x 48 dims", "2 bits x 48 dims")
    assert few.shortlist > many.shortlist > 25


@pytest.mark.slow
def test_no_bits_for_dims_that_say_nothing() -> None:
    rows = _rows(SMALL, 48, 0.2) * np.repeat([1, 0.05], 24).astype(np.float16)
    best, (whole, half) = best_code(rows, 100_000, [CodeShape(48, 24), CodeShape(24, 12)])
    assert best.dim == 24
    assert half.cost < whole.cost


@pytest.mark.slow
def test_the_same_rows_lead_to_the_same_code_and_more_rows_to_a_longer_shortlist() -> None:
    rows, one = _rows(SMALL, 48, 2.0), [CodeShape(48, 12)]
    (_, first), (_, again) = best_code(rows, 100_000, one), best_code(rows.copy(), 100_000, one)
    (_, larger) = best_code(rows, 1_000_000, one)
    assert first == again
    assert larger[0].shortlist > first[0].shortlist


def _spec(**fields: Any) -> IndexSpec:
    return IndexSpec.model_validate({"vectors": "data/vectors", "output": "data/index", **fields})


@pytest.mark.slow
def test_a_sample_decides_and_says_what_was_tried() -> None:
    rows, spec = _rows(SMALL, 16, 0.2), _spec()
    shape, tried = code_for(rows, 100_000, (16,), spec, choose(100_000, (16,), spec))
    assert tried is not None
    assert tried.startswith(f"codes: {shape}; tried 2 bits x 16 dims: ")
    assert tried.count("shortlist") == 3


@pytest.mark.parametrize(
    ("count", "fields", "ceiling"),
    [
        (SMALL - 1, {}, None),
        (SMALL, {"code_bits": 1.0}, None),
        (SMALL, {"code_dim": 8}, None),
        (SMALL, {}, 2_150_000),  # 16 dims and a scale are 20 bytes a row, codes of half a bit one more
    ],
    ids=["small sample", "bits given", "dims given", "one that fits"],
)
def test_the_plan_stands(count: int, fields: dict[str, Any], ceiling: int | None) -> None:
    rows, spec = np.ones((count, 16), np.float16), _spec(**fields)
    plan = choose(100_000, (16, 8), spec, ceiling)
    shape, tried = code_for(rows, 100_000, (16,), spec, plan, ceiling)
    assert (shape, tried) == (CodeShape(plan.code_dim, plan.subspaces), None)
