"""The beam against trying everything, and against the one sequence that a greedy search finds."""

from itertools import product

import pytest
import torch
from torch import Tensor

from embed.model.recognition.beam import Beam

A, B, END = 0, 1, 2


def search(beam: Beam, chances: Tensor) -> list[tuple[list[int], float]]:
    """By a table [V, V]: what comes behind which token; the first row is that of the beginning too."""
    parents, last = [0], [A]
    while parents:
        parents = beam.grow(chances[last].log(), END)
        last = beam.last
    return beam.found


def test_the_second_likeliest_beginning_may_lead_to_the_likeliest_end() -> None:
    # A goes on with anything at all; B nearly always ends.
    chances = torch.tensor([[0.45, 0.4, 0.15], [0.05, 0.05, 0.9], [0.0, 0.0, 1.0]])
    (greedy,) = search(Beam(1, 3), chances)
    assert greedy[0] == [A, A, A]
    best, *others = search(Beam(3, 3), chances)
    assert best[0] == [B, END]
    assert best[1] == pytest.approx(torch.tensor(0.4 * 0.9).log().item())
    assert [ids for ids, _ in others] == [[A, B, END], [END]]


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_what_trying_everything_finds(seed: int) -> None:
    torch.manual_seed(seed)
    table, most = torch.randn(5, 5).softmax(1), 4
    every = [ids for n in range(1, most + 1) for ids in product(range(5), repeat=n)]
    whole = [ids for ids in every if END not in ids[:-1] and (ids[-1] == END or len(ids) == most)]
    sums = {ids: sum(float(table[a, b].log()) for a, b in zip((A, *ids), ids, strict=False)) for ids in whole}
    likeliest = sorted(whole, key=lambda ids: -sums[ids])[:6]
    found = search(Beam(500, most), table)[:6]
    assert [tuple(ids) for ids, _ in found] == likeliest
    assert [total for _, total in found] == pytest.approx([sums[ids] for ids in likeliest], abs=1e-5)


def test_one_at_a_time_is_greedy() -> None:
    torch.manual_seed(0)
    table, ids = torch.randn(6, 6).softmax(1), [A]
    while ids[-1] != END and len(ids) <= 7:
        ids.append(int(table[ids[-1]].argmax()))
    ((found, _),) = search(Beam(1, 7), table)
    assert found == ids[1:]


def test_what_may_not_be_written_is_not() -> None:
    """Two words and the end are all there is: the beam is wider than that."""
    chances = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    found = search(Beam(4, 4), chances)
    assert [ids for ids, _ in found] == [[B, END], [B, A, B, END], [B, A, B, A]]
