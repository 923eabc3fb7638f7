"""Listings: shares by eye, and the same one for the same filter."""

import numpy as np

from index.kept import Kept
from index.rungs.listing import NOTHING, Listings

SIZES = np.array([4, 4, 0])


def _kept(*places: int) -> Kept:
    return Kept(np.isin(np.arange(8), places))


def test_without_a_filter_nothing_changes() -> None:
    found = Listings([SIZES], None).of(None)
    assert found.log_kept.tolist() == [0, 0, 0]
    assert (found.plain, found.growth, found.uneven, found.stored, found.lists) == (True, 1.0, 0.0, 8, 2)


def test_half_of_each_list_and_all_of_one() -> None:
    listings = Listings([SIZES], None)
    half, side = listings.of([_kept(0, 1, 4, 5)]), listings.of([_kept(0, 1, 2, 3)])
    np.testing.assert_allclose(half.log_kept, [np.log(0.5), np.log(0.5), 0])
    assert (half.uneven, half.stored, half.plain) == (0.0, 8, False)
    assert side.log_kept.tolist() == [0, NOTHING, 0]
    assert (side.uneven, side.stored, side.lists) == (0.5, 4, 1)


def test_appended_rows_count_against_those_that_were_measured() -> None:
    found = Listings([SIZES, np.array([4, 0, 4])], SIZES).of([None, Kept(np.zeros(8, bool))])
    assert found.log_kept.tolist() == [0, 0, 0]
    assert found.growth == 2
    grown = Listings([SIZES, np.array([4, 0, 4])], SIZES).of(None)
    np.testing.assert_allclose(grown.log_kept, [np.log(2), 0, np.log(4)])


def test_rows_that_a_compaction_removed_count_as_a_filter() -> None:
    """All rows of a list are gone: no filter is in the way, and yet one side of what was measured is left."""
    found = Listings([np.array([4, 0, 0])], SIZES).of(None)
    assert (found.uneven, found.growth, found.plain) == (0.5, 0.5, False)


def test_the_same_filter_is_counted_once() -> None:
    listings, kept = Listings([SIZES], None), [_kept(1)]
    assert listings.of(kept) is listings.of([kept[0]])
    assert listings.of([None]) is listings.of(None)
