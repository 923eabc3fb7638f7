"""Draws are of seed, epoch and member, and roles take turns."""

from torch import nn

from train.strategy import At, chance, trained


def test_a_members_numbers_are_its_own_and_come_again() -> None:
    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 1, 0)]
    drawn = {place: chance(*place).random() for place in places}
    assert len({*drawn.values(), chance(0, 0, 0, "loss").random()}) == len(places) + 1
    assert chance(0, 0, 1).random() == drawn[0, 0, 1]


def test_roles_take_turns_by_step_whatever_the_epoch() -> None:
    assert [At(step, step // 3, step % 3).role for step in range(5)] == [
        "query",
        "document",
        "query",
        "document",
        "query",
    ]


def test_what_is_frozen_is_not_trained() -> None:
    frozen, taught = nn.Linear(1, 1, bias=False).requires_grad_(False), nn.Linear(1, 1, bias=False)
    assert trained(nn.Sequential(frozen, taught)) == {"1.weight": taught.weight}
