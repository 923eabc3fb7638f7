"""The learned axes: meaning comes before language, and what comes last counts least."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from embed.model.transform import fit
from train.frozen.nesting import learn_nesting

D, MEANINGS, LANGS = 16, 60, 3


def _texts(seed: int) -> tuple[Tensor, list[list[int]]]:
    """Each text: four values of meaning, small, then twelve of its language and wording, large."""
    chance = np.random.default_rng(seed)
    meaning = chance.normal(size=(MEANINGS, 4))
    rows: list[np.ndarray] = []
    groups: list[list[int]] = []
    for one in meaning:
        groups.append(list(range(len(rows), len(rows) + LANGS)))
        rows += [np.concatenate([0.5 * one, chance.normal(size=D - 4)]) for _ in range(LANGS)]
    return nn.functional.normalize(torch.tensor(np.asarray(rows), dtype=torch.float32), dim=-1), groups


def _found(vectors: Tensor, groups: list[list[int]]) -> float:
    """How often a text's nearest other text is a translation."""
    cosines = vectors @ vectors.T - 2 * torch.eye(len(vectors))
    nearest = cosines.argmax(-1).tolist()
    group_of = {member: i for i, group in enumerate(groups) for member in group}
    return float(np.mean([group_of[i] == group_of[near] for i, near in enumerate(nearest)]))


@pytest.fixture(scope="module")
def learned() -> tuple[Tensor, list[list[int]], object]:
    texts, groups = _texts(0)
    return texts, groups, learn_nesting(texts, texts, groups, texts[:0], [D, 4], seed=0)


@pytest.mark.slow
def test_a_prefix_holds_the_meaning_that_principal_axes_put_last(
    learned: tuple[Tensor, list[list[int]], nn.Module],
) -> None:
    _, _, transform = learned
    texts, groups = _texts(1)
    by_axes, by_meaning = (nn.functional.normalize(t(texts)[:, :4], dim=-1) for t in (fit(texts), transform))
    assert _found(by_meaning, groups) > 2 * _found(by_axes, groups)
    assert _found(by_meaning, groups) > 0.5


@pytest.mark.slow
def test_the_axes_are_orthogonal_and_the_last_third_counts_less(
    learned: tuple[Tensor, list[list[int]], nn.Module],
) -> None:
    _, _, transform = learned
    rotation = transform.get_buffer("rotation")
    lengths = torch.tensor([1.0] * 11 + [0.5] * 5)
    torch.testing.assert_close(rotation @ rotation.T, torch.diag(lengths**2), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_axes(learned: tuple[Tensor, list[list[int]], nn.Module]) -> None:
    texts, groups, transform = learned
    again = learn_nesting(texts, texts, groups, texts[:0], [D, 4], seed=0)
    torch.testing.assert_close(again.rotation, transform.get_buffer("rotation"), atol=0, rtol=0)


def test_without_translations_the_axes_are_principal() -> None:
    texts, _ = _texts(0)
    torch.testing.assert_close(learn_nesting(texts, texts, [], texts[:0], [D, 4], 0).rotation, fit(texts).rotation)


def test_too_few_texts_cannot_order_the_dimensions() -> None:
    texts, _ = _texts(0)
    with pytest.raises(ValueError, match="cannot order 16 dimensions"):
        learn_nesting(texts[:9], texts[:9], [[0, 1]], texts[:0], [D, 4], 0)


@pytest.mark.slow
def test_running_text_keeps_more_of_its_neighbours_when_it_is_taught_too() -> None:
    texts, groups = _texts(0)
    kept = [
        _same_neighbours(learn_nesting(texts, texts, groups, running, [D, 4], seed=0)(texts))
        for running in (texts[:0], texts)
    ]
    assert kept[1] > kept[0]


def _same_neighbours(vectors: Tensor) -> float:
    """Share of the ten nearest at full width that are among the ten nearest by four values."""
    cut = nn.functional.normalize(vectors[:, :4], dim=-1)
    nearest = [(one @ one.T - 2 * torch.eye(len(one))).topk(10).indices.tolist() for one in (vectors, cut)]
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*nearest, strict=True)]))
