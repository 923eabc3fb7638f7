"""Decisions, row by row: what sizes and ceilings lead to, and that each says why."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.errors import SpecError
from index.building.choose import DIMS_PER_CODE, bytes_per_row, choose, worth_coding
from index.spec import IndexSpec

E5 = (384, 256, 128, 64)


def _spec(**fields: Any) -> IndexSpec:
    return IndexSpec.model_validate({"vectors": "data/vectors", "output": "data/index", **fields})


@pytest.mark.parametrize(
    ("rows", "ladder", "coded", "why"),
    [
        (0, "auto", False, "every row is read (0 rows): lists and codes are faster from 10,000 rows on"),
        (9_999, "auto", False, "every row is read (9,999 rows): lists and codes are faster from 10,000 rows on"),
        (10_000, "auto", True, "lists and codes for 10,000 rows: from 10,000 on reading every row costs more"),
        (10_000_000, "exact", False, "every row is read (10,000,000 rows), as the spec says"),
        (20, "coded", True, "lists and codes for 20 rows, as the spec says"),
    ],
)
def test_coded_or_not(rows: int, ladder: str, coded: bool, why: str) -> None:
    plan = choose(rows, E5, _spec(ladder=ladder))
    assert plan.coded == coded == worth_coding(rows, _spec(ladder=ladder))
    assert plan.reasons[0] == why
    assert coded or (plan.lists, plan.code_dim, plan.subspaces) == (0, 0, 0)


@pytest.mark.parametrize(
    ("rows", "wish", "lists", "why"),
    [
        (10_000, None, 64, "64 lists, about 0.26 times rows to the power of 0.6"),
        (100_000, None, 256, "256 lists, about 0.26 times rows to the power of 0.6"),
        (1_000_000, None, 1_040, "1,040 lists, about 0.26 times rows to the power of 0.6"),
        (10_000_000_000, None, 65_536, "65,536 lists, about 0.26 times rows to the power of 0.6"),
        (50, None, 16, "16 lists, about 0.26 times rows to the power of 0.6"),
        (5, None, 5, "5 lists, about 0.26 times rows to the power of 0.6"),
        (100_000, 300, 300, "300 lists, as the spec says"),
        (5, 300, 5, "5 lists, as the spec says, not 300: no more than rows"),
    ],
)
def test_lists(rows: int, wish: int | None, lists: int, why: str) -> None:
    plan = choose(rows, E5, _spec(ladder="coded", lists=wish))
    assert (plan.lists, plan.reasons[1]) == (lists, why)


@pytest.mark.parametrize(
    ("dims", "fields", "code_dim", "subspaces", "why"),
    [
        (E5, {}, 384, 128, "codes of all 384 dims, 3 share a code of 4 bits"),
        ((1024, 256), {}, 1024, 256, "codes of all 1024 dims, 4 share a code of 4 bits"),
        ((10,), {}, 10, 5, "codes of all 10 dims, 2 share a code of 4 bits"),
        ((7,), {}, 7, 7, "codes of all 7 dims, each has a code of 4 bits"),
        (E5, {"code_bits": 1.0}, 384, 96, "codes of all 384 dims, 4 share a code of 4 bits, as the spec says"),
        (E5, {"code_bits": 2.0}, 384, 192, "codes of all 384 dims, 2 share a code of 4 bits, as the spec says"),
        (E5, {"code_bits": 0.5}, 384, 48, "codes of all 384 dims, 8 share a code of 4 bits, as the spec says"),
        (
            (100,),
            {"code_bits": 0.5},
            100,
            25,
            "codes of all 100 dims, 4 share a code of 4 bits, since 8 a code do not ",
        ),
        ((256,), {"code_bits": 1.33}, 256, 128, "codes of all 256 dims, 2 share a code of 4 bits, since 3 a code do "),
        (E5, {"code_dim": 128}, 128, 32, "codes of the first 128 of 384 dims, 4 share a code of 4 bits"),
    ],
)
def test_codes(dims: tuple[int, ...], fields: dict[str, Any], code_dim: int, subspaces: int, why: str) -> None:
    plan = choose(100_000, dims, _spec(**fields))
    assert (plan.code_dim, plan.subspaces) == (code_dim, subspaces)
    assert plan.reasons[2].startswith(why)


@pytest.mark.parametrize(
    ("memory_gb", "fields", "code_dim", "subspaces", "why"),
    [
        (1.0, {}, 384, 128, "0.452 GB in memory fit the ceiling of 1, as the usual codes do"),
        (0.44, {}, 384, 96, "0.436 GB in memory fit the ceiling of 0.44, where the usual codes take 0.452"),
        (0.42, {}, 384, 48, "0.412 GB in memory fit the ceiling of 0.42, where the usual codes take 0.452"),
        (0.405, {}, 256, 32, "0.404 GB in memory fit the ceiling of 0.405, where the usual codes take 0.452"),
        (0.397, {}, 128, 16, "0.396 GB in memory fit the ceiling of 0.397, where the usual codes take 0.452"),
        (
            0.43,
            {"code_bits": 1.0},
            256,
            64,
            "0.42 GB in memory fit the ceiling of 0.43, where the usual codes take 0.4",
        ),
        (0.42, {"code_dim": 384}, 384, 48, "0.412 GB in memory fit the ceiling of 0.42, where the usual codes take 0."),
    ],
)
def test_a_ceiling_takes_bits_before_dims(
    memory_gb: float, fields: dict[str, Any], code_dim: int, subspaces: int, why: str
) -> None:
    plan = choose(1_000_000, E5, _spec(memory_gb=memory_gb, **fields))
    assert (plan.code_dim, plan.subspaces) == (code_dim, subspaces)
    assert plan.reasons[3].startswith(why)


def test_a_ceiling_too_low_says_which_would_do() -> None:
    with pytest.raises(SpecError, match=r"1,000,000 rows .* take 0.392 GB .* leaves them 0.2; give memory_gb = 0.392 "):
        choose(1_000_000, E5, _spec(memory_gb=0.2))
    assert choose(1_000_000, E5, _spec(memory_gb=0.392)).code_dim == 64


def test_what_the_spec_says_is_not_given_up_for_the_ceiling() -> None:
    with pytest.raises(SpecError, match=r"take 0.436 GB with the smallest codes"):
        choose(1_000_000, E5, _spec(memory_gb=0.42, code_dim=384, code_bits=1.0))


def test_a_share_of_the_ceiling_asks_for_as_much_more() -> None:
    with pytest.raises(SpecError, match=r"leaves them 0.2; give memory_gb = 0.784 or more"):
        choose(1_000_000, E5, _spec(memory_gb=0.4), memory_bytes=200_000_000)


def test_latency_is_left_to_calibration() -> None:
    assert (
        choose(100_000, E5, _spec(latency_ms=2)).reasons[-1]
        == "calibration measures the recall that is possible in 2 ms a question"
    )


@pytest.mark.slow
@given(st.integers(1, 10**9), st.lists(st.integers(1, 4096), min_size=1, max_size=4, unique=True), st.floats(0.01, 50))
def test_a_plan_is_whole_and_fits(rows: int, widths: list[int], memory_gb: float) -> None:
    dims = tuple(sorted(widths, reverse=True))
    try:
        plan = choose(rows, dims, _spec(ladder="coded", memory_gb=memory_gb))
    except SpecError:
        # The smallest code gives one to as many dims as divide the width.
        fewest = min(dim // max(shared for shared in DIMS_PER_CODE if dim % shared == 0) for dim in dims)
        assert rows * bytes_per_row(dims[0], fewest) > memory_gb * 1e9 - 1
        return
    assert 1 <= plan.lists <= rows
    assert plan.code_dim in dims
    assert plan.code_dim % plan.subspaces == 0
    assert rows * bytes_per_row(dims[0], plan.subspaces) <= memory_gb * 1e9
