"""Batches are of seed and epoch, hold everyone once at most, and lie close in length; sources have shares."""

from dataclasses import replace
from itertools import pairwise

import pytest

from embed.errors import SpecError
from train.batches import batches, epoch_members
from train.curate.clip import Clip
from train.spec import SourceSpec

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


RECORDED = SourceSpec.parse({"name": "tuxpaint", "langs": ("fr",)})
MADE_UP = SourceSpec.parse({"name": "synthetic", "langs": ("fr",), "share": 0.5, "until": 0.5})
PLACES = range(110)


CLIPS = [
    Clip(source, f"{source}:{i}", "fr", "oui", f"{i}.wav", {"fr": "oui"}, duration_s=1.0, size=1)
    for i, source in enumerate(["tux"] * 10 + ["syn"] * 100)
]


def found(epoch: int, seed: int = 0) -> list[int]:
    return epoch_members(CLIPS, PLACES, [RECORDED, MADE_UP], seed=seed, epoch=epoch, epochs=4)


def test_a_source_without_a_share_is_used_whole() -> None:
    assert epoch_members(CLIPS, PLACES, [RECORDED], seed=0, epoch=0, epochs=1) == list(PLACES)
    assert found(0)[:10] == list(range(10))


def test_a_share_is_of_the_others_and_drawn_anew_each_epoch() -> None:
    first, second = found(0), found(1)
    assert len(first) == len(second) == 15
    assert first[10:] != second[10:]
    assert first == found(0)
    assert first != found(0, seed=1)
    assert first == sorted(first)


def test_behind_its_time_a_source_is_silent() -> None:
    assert found(2) == found(3) == list(range(10))


def test_a_share_of_nothing_is_all() -> None:
    alone = epoch_members(CLIPS, PLACES[10:], [MADE_UP], seed=0, epoch=0, epochs=4)
    assert alone == list(PLACES[10:])


def test_a_source_named_twice_has_a_rule_for_each_of_its_languages() -> None:
    other = [replace(clip, lang="bg", key=f"{clip.key}:bg") for clip in CLIPS[10:]]
    rarer = SourceSpec.parse({"name": "synthetic", "langs": ("bg",), "share": 0.2})
    found = epoch_members([*CLIPS, *other], range(210), [RECORDED, MADE_UP, rarer], seed=0, epoch=0, epochs=4)
    assert [sum(low <= one < high for one in found) for low, high in ((0, 10), (10, 110), (110, 210))] == [10, 5, 2]
    late = epoch_members([*CLIPS, *other], range(210), [RECORDED, MADE_UP, rarer], seed=0, epoch=3, epochs=4)
    assert [one >= 110 for one in late] == [False] * 10 + [True] * 2
