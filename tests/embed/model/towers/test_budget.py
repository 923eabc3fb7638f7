"""Groups of a budget, and what happens where memory does not suffice."""

import logging

import numpy as np
import pytest
import torch

from embed.encoder import FloatArray
from embed.model.towers.budget import Budget, by_budget, out_of_memory


class Small:
    """Rows that say their own position, from a memory that holds `room` of padded size."""

    def __init__(self, sizes: list[int], room: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.sizes, self.room, self.error = sizes, room, error
        self.groups: list[list[int]] = []

    def __call__(self, group: list[int]) -> FloatArray:
        if max(self.sizes[i] for i in group) * len(group) > self.room:
            raise self.error("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
        self.groups.append(group)
        return np.array([[i] for i in group], dtype=np.float32)


def test_groups_hold_everything_once_within_the_budget() -> None:
    sizes = [5, 1, 9, 3, 3, 20]
    groups = list(by_budget(sizes, 10))
    assert sorted(i for group in groups for i in group) == list(range(6))
    assert all(len(group) == 1 or max(sizes[i] for i in group) * len(group) <= 10 for group in groups)


def test_little_of_a_group_is_padding() -> None:
    sizes = [int(size) for size in np.random.default_rng(0).integers(1, 200, 500)]
    groups = list(by_budget(sizes, 1024))
    padded = [max(sizes[i] for i in group) * len(group) - sum(sizes[i] for i in group) for group in groups]
    assert max(padded) <= 32
    assert len(groups) < 2 * sum(sizes) / 1024


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_less_at_once_where_memory_runs_out(error: type[RuntimeError], caplog: pytest.LogCaptureFixture) -> None:
    sizes = [10] * 40
    budget, small = Budget(400), Small(sizes, room=120, error=error)
    with caplog.at_level(logging.WARNING):
        rows = budget.rows(sizes, 1, small)
    assert rows[:, 0].tolist() == list(range(40))
    assert (budget.size, budget.halvings) == (100, 2)
    assert "out of memory with 20 items in one pass; the size of a pass is now 100" in caplog.text
    budget.rows(sizes, 1, small)
    assert budget.halvings == 2  # for good


def test_what_does_not_fit_by_itself_is_raised() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Budget(100).rows([10, 10, 50], 1, Small([10, 10, 50], room=40))


def test_other_errors_are_nobodys_memory() -> None:
    def broken(group: list[int]) -> FloatArray:
        raise RuntimeError("shapes cannot be multiplied")

    budget = Budget(100)
    with pytest.raises(RuntimeError, match="shapes"):
        budget.rows([10, 10], 1, broken)
    assert budget.halvings == 0
    assert not out_of_memory(RuntimeError("shapes"))
