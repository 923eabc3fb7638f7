"""The weight of the last axes in vectors of speech."""

import numpy as np
import pytest
import torch

from embed.model.joint import faded
from train.tail import best_tail

DIMS = (4, 2)
ROWS = torch.nn.functional.normalize(torch.tensor([[3.0, 4, 0, 0], [1, 1, 1, 1]]), dim=-1)


def test_a_faded_tail_changes_no_shorter_prefix() -> None:
    found = faded(ROWS, DIMS, 0.5)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2))
    prefixes = [torch.nn.functional.normalize(rows[:, :2], dim=-1) for rows in (ROWS, found)]
    torch.testing.assert_close(*prefixes)
    torch.testing.assert_close(found[1], torch.tensor([2.0, 2, 1, 1]) / 10**0.5)


def test_a_whole_tail_is_left_as_it_is() -> None:
    assert faded(ROWS, DIMS, 1.0) is ROWS
    assert faded(ROWS, (4,), 0.5) is ROWS


@pytest.mark.parametrize(("wanted", "chosen"), [(0.0, 0.25), (1.0, 1.0)])
def test_dev_chooses_the_weight(wanted: float, chosen: float) -> None:
    """Where the last two values mislead, the less of them the better; where they tell, all of them."""
    rows = ROWS.numpy()
    right = rows[1] * np.array([1, 1, wanted, wanted], np.float32)
    right /= np.linalg.norm(right)
    tail, scores = best_tail(rows, rows, DIMS, (0.25, 1.0, 0.5), lambda asked, _: float(asked[1] @ right))
    assert tail == chosen
    assert list(scores) == [1.0, 0.5, 0.25]


def test_of_equals_all_of_it_is_kept() -> None:
    assert best_tail(ROWS.numpy(), ROWS.numpy(), DIMS, (0.5, 1.0), lambda *_: 0.5)[0] == 1.0
