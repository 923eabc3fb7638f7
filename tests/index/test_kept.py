"""Kept rows: the bitmap is that of the mask, and all that is counted agrees with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.kept import Kept, kept_rows, num_kept


@pytest.mark.slow
@given(st.lists(st.booleans(), max_size=70), st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_a_bitmap_counts_as_its_mask(values: list[bool], sizes: list[int]) -> None:
    mask = np.resize(np.array([*values, True]), sum(sizes))
    kept = Kept(mask)
    assert (len(kept), kept.count) == (len(mask), mask.sum())
    assert kept.mask().tolist() == mask.tolist()
    assert kept.places.tolist() == np.flatnonzero(mask).tolist()
    lists = np.repeat(np.arange(len(sizes)), sizes)
    assert kept.by_list(np.array(sizes)).tolist() == np.bincount(lists[mask], minlength=len(sizes)).tolist()


def test_row_9_is_the_second_bit_of_the_second_byte() -> None:
    assert Kept(np.arange(12) == 9).bits.tolist() == [0, 2]


@pytest.mark.parametrize(("kept", "number"), [(None, 5), ([None, None], 5), ([Kept(np.array([True, False])), None], 4)])
def test_what_is_not_filtered_counts_whole(kept: list[Kept | None] | None, number: int) -> None:
    assert num_kept(kept, [2, 3]) == number


def test_a_mask_that_keeps_all_is_no_filter() -> None:
    found = kept_rows([np.array([True, True]), None, np.array([True, False]), np.array([False])])
    assert [one if one is None else one.count for one in found] == [None, None, 1, 0]
