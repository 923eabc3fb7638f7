"""Batches are of seed and epoch, hold everyone once at most, and lie close in length."""

from itertools import pairwise

import pytest

from embed.errors import SpecError
from train.batches import batches

MEMBERS = range(100, 164)


def length(member: int) -> int:
    return member * 7 % 50


def test_batches_are_of_seed_and_epoch_and_hold_every_member_once_at_most() -> None:
    found = batches(MEMBERS, length, 6, seed=0, epoch=0)
    assert found == batches(MEMBERS, length, 6, seed=0, epoch=0)
    assert found != batches(MEMBERS, length, 6, seed=0, epoch=1)
    assert found != batches(MEMBERS, length, 6, seed=1, epoch=0)
    assert [len(batch) for batch in found] == [6] * 10
    dealt = [member for batch in found for member in batch]
    assert len(set(dealt)) == len(dealt)
    assert set(dealt) <= set(MEMBERS)


def test_a_batch_is_sorted_by_length_inside_its_window() -> None:
    found = batches(MEMBERS, length, 8, seed=0, epoch=0)
    assert all(sorted(batch, key=length) == batch for batch in found)
    # 64 members are one window of eight batches: no batch reaches into another's lengths.
    spans = sorted((length(batch[0]), length(batch[-1])) for batch in found)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_too_few_members_for_a_batch_are_refused() -> None:
    with pytest.raises(SpecError, match=r"7 training examples do not fill one batch of 8; lower `optimiser.batch`"):
        batches(range(7), length, 8, seed=0, epoch=0)
