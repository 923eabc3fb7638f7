"""Losses on axes and in the plane: the numbers can be worked out by hand, or by a slow loop."""

from collections.abc import Callable, Mapping
from functools import partial
from math import cos, exp, log, pi, sin
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train import plain_losses
from train.losses import against_tables, distillation, infonce, regression, reverse_infonce

EYE = torch.eye(4)
HARD, NONE = EYE[3], torch.zeros(4)


def at(*degrees: float) -> Tensor:
    """Directions in the plane, of different lengths."""
    return torch.tensor(
        [[(1 + i) * cos(one * pi / 180), (1 + i) * sin(one * pi / 180)] for i, one in enumerate(degrees)]
    )


def random_rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Against tables


def against(
    vectors: Tensor, table: Mapping[int, Tensor], positives: list[int], temperature: float, **settings: Any
) -> Tensor:
    """One table for all."""
    ours = torch.zeros(len(vectors), dtype=torch.long)
    return against_tables(vectors, [table], ours, torch.tensor(positives), temperature=temperature, **settings)


def test_a_vector_on_its_axis_among_four() -> None:
    # Scores are 1/t for the right one and 0 for three others.
    loss = against(EYE[:2], {4: EYE}, [0, 1], 0.5)
    assert loss.item() == pytest.approx(-log(exp(2) / (exp(2) + 3)), abs=1e-6)
    wrong = against(EYE[:2], {4: EYE}, [1, 0], 0.5)
    assert wrong.item() == pytest.approx(-log(1 / (exp(2) + 3)), abs=1e-6)


def test_the_loss_is_the_mean_over_dims_of_renormalised_prefixes() -> None:
    # (1, 1, 1, 1): half of the way to every axis in four dimensions, 1/sqrt(2) in the first two.
    vector = torch.full((1, 4), 7.0)
    table = {4: EYE, 2: torch.eye(2)[[0, 1, 0, 1]]}
    assert against(vector, table, [0], 1.0).item() == pytest.approx(log(4), abs=1e-6)
    slanted = torch.tensor([[cos(pi / 6), sin(pi / 6), 0, 9.0]])
    two = against(slanted, {2: torch.eye(2)}, [0], 1.0)
    assert two.item() == pytest.approx(log(1 + exp(0.5 - cos(pi / 6))), abs=1e-6)


def test_texts_of_another_table_do_not_count() -> None:
    tables = [{4: EYE[[1]]}, {4: EYE[:2]}]
    loss = against_tables(EYE[[0, 2]], tables, torch.tensor([1, 0]), torch.tensor([0, 0]), temperature=1.0)
    first, alone = -log(exp(1) / (exp(1) + 1)), 0.0
    assert loss.item() == pytest.approx((first + alone) / 2, abs=1e-6)


def test_gradients_reach_a_rows_own_table_alone() -> None:
    vectors = EYE[:1].clone().requires_grad_()
    own, other = (EYE.clone().requires_grad_() for _ in range(2))
    tables = [{4: other}, {4: own}]
    loss = against_tables(vectors, tables, torch.tensor([1]), torch.tensor([0]), temperature=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert own.grad is not None
    assert torch.isfinite(vectors.grad).all()
    assert own.grad.abs().sum() > 0
    assert other.grad is None


def test_the_tables_by_a_slow_loop() -> None:
    vectors, texts = random_rows(0, 5, 4), random_rows(1, 7, 4)
    parts = [texts[:3], texts[3:]]
    tables = [{dim: torch.nn.functional.normalize(part[:, :dim], dim=-1) for dim in (4, 2)} for part in parts]
    ours, positives = torch.tensor([1, 0, 1, 1, 0]), torch.tensor([3, 0, 0, 2, 2])
    fast = against_tables(vectors, tables, ours, positives, weights=(3, 1), temperature=0.3, margin=0.2)
    slow = plain_losses.one_way(
        vectors.tolist(),
        texts.tolist(),
        (positives + 3 * ours).tolist(),
        dims=(4, 2),
        weights=(3, 1),
        temperature=0.3,
        unfair=[[(column >= 3) != bool(one) for column in range(7)] for one in ours],
        margin=0.2,
    )
    assert fast.item() == pytest.approx(slow, rel=1e-12)


# Both ways in the batch


def test_two_pairs_in_the_plane() -> None:
    """Vectors at 0 and 90 degrees, targets at 0 and 60: the second pair is 30 degrees apart."""
    loss = infonce(at(0, 90), at(0, 60), dims=[2], temperature=1.0)
    near, far = cos(pi / 6), cos(pi / 3)
    to_targets = [log(1 + exp(far - 1)), log(1 + exp(0 - near))]
    to_vectors = [log(1 + exp(0 - 1)), log(1 + exp(far - near))]
    assert loss.item() == pytest.approx(sum(to_targets + to_vectors) / 4, abs=1e-6)


def test_what_says_the_same_is_no_negative_either_way() -> None:
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    loss = infonce(EYE[[0, 0, 1]], EYE[[0, 0, 1]], dims=[4], temperature=1.0, same_BC=same)
    first, third = log(1 + exp(-1)), log(1 + 2 * exp(-1))
    assert loss.item() == pytest.approx((2 * first + third) / 3, abs=1e-6)


def test_a_candidate_above_the_positive_by_a_margin_is_no_negative() -> None:
    """The first vector lies on the second's target, 60 degrees from its own: .5 above its positive."""
    vectors, targets = at(60, 90), at(0, 60)
    ways = {margin: infonce(vectors, targets, dims=[2], temperature=1.0, margin=margin) for margin in (None, 0.6, 0.4)}
    assert ways[None] is not None
    assert torch.equal(ways[0.6], ways[None])
    # The other way the first vector is above the second target's own by 1 - cos 30 only.
    saved = log(1 + exp(1 - 0.5)) / 4
    assert (ways[None] - ways[0.4]).item() == pytest.approx(saved, abs=1e-6)


def test_the_margin_is_judged_at_the_widest_dim() -> None:
    """At one dim all that point the same way are equal; the wide vectors tell what is above."""
    vectors, targets = at(60, 90 - 1e-3), at(0, 60)
    unmasked = infonce(vectors, targets, dims=[1], temperature=1.0)
    assert infonce(vectors, targets, dims=[1], temperature=1.0, margin=0.4).item() == pytest.approx(unmasked.item())
    both = infonce(vectors, targets, dims=[2, 1], weights=[0, 1], temperature=1.0, margin=0.4)
    assert (unmasked - both).item() == pytest.approx(log(2) / 4, abs=1e-6)


def test_hard_negatives_stand_among_everybodys_candidates() -> None:
    negatives = torch.stack([HARD, NONE])[:, None]
    loss = infonce(EYE[:2], EYE[:2], dims=[4], temperature=1.0, negatives_BKD=negatives)
    to_targets, to_vectors = log(1 + 2 * exp(-1)), log(1 + exp(-1))
    assert loss.item() == pytest.approx((to_targets + to_vectors) / 2, abs=1e-6)


def test_a_hard_negative_may_be_right_for_another_row() -> None:
    negatives = EYE[[1, 3]][:, None]  # the first row's negative is the second row's own text
    same = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 0]], dtype=torch.bool)
    loss = infonce(EYE[:2], EYE[:2], dims=[4], temperature=1.0, negatives_BKD=negatives, same_BC=same)
    first, second, back = log(1 + 3 * exp(-1)), log(1 + 2 * exp(-1)), log(1 + exp(-1))
    assert loss.item() == pytest.approx(((first + second) / 2 + back) / 2, abs=1e-6)


def test_both_ways_by_a_slow_loop() -> None:
    vectors, targets, negatives = random_rows(0, 4, 6), random_rows(1, 4, 6), random_rows(2, 4, 2, 6)
    same = torch.eye(4, dtype=torch.bool)
    same[0, 3] = same[3, 0] = True
    settings: dict[str, Any] = {"dims": (6, 3, 2), "weights": (1.0, 2.0, 4.0), "temperature": 0.2, "margin": 0.5}
    fast = infonce(vectors, targets, same_BC=same, negatives_BKD=negatives, **settings)
    candidates = [*targets.tolist(), *negatives.flatten(0, 1).tolist()]
    unfair = [[*row, *[False] * 8] for row in same.tolist()]
    slow = plain_losses.one_way
    there = slow(vectors.tolist(), candidates, range(4), unfair=unfair, **settings)
    back = slow(targets.tolist(), vectors.tolist(), range(4), unfair=same.tolist(), **settings)
    assert fast.item() == pytest.approx((there + back) / 2, rel=1e-12)


def test_weights_are_shares() -> None:
    vectors, targets = random_rows(0, 4, 6), random_rows(1, 4, 6)
    wide, narrow = (infonce(vectors, targets, dims=[dim]).item() for dim in (6, 2))
    loss = infonce(vectors, targets, dims=[6, 2], weights=[6, 2])
    assert loss.item() == pytest.approx(0.75 * wide + 0.25 * narrow)
    assert infonce(vectors, targets, dims=[2, 6], weights=[2, 6]).item() == pytest.approx(loss.item())


def test_the_temperature_may_learn() -> None:
    """Pairs that are told apart want it colder, pairs that are not want it warmer."""
    for targets, sign in ((EYE, 1), (EYE[[1, 0, 3, 2]], -1)):
        temperature = torch.tensor(0.5, requires_grad=True)
        infonce(EYE, targets, dims=[4], temperature=temperature).backward()  # type: ignore[no-untyped-call]
        assert temperature.grad is not None
        assert temperature.grad.item() * sign > 0


def test_half_precision_is_made_exact_first() -> None:
    vectors, targets = random_rows(0, 4, 6).bfloat16(), random_rows(1, 4, 6).bfloat16()
    loss = infonce(vectors, targets, dims=[6])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(infonce(vectors.float(), targets.float(), dims=[6]).item())


# Text to its own speech


NONE_SAME = torch.eye(4, dtype=torch.bool)


def test_each_text_finds_its_own_speech_in_the_batch() -> None:
    loss = reverse_infonce(EYE, EYE, dims=[4], temperature=0.5, same_BW=NONE_SAME)
    assert loss.item() == pytest.approx(-log(exp(2) / (exp(2) + 3)), abs=1e-6)
    # The first two have each other's speech: a score of 0 for the right one, of 1/t for a wrong one.
    swapped = reverse_infonce(EYE[[1, 0, 2, 3]], EYE, dims=[4], temperature=0.5)
    wrong, right = -log(1 / (exp(2) + 3)), -log(exp(2) / (exp(2) + 3))
    assert swapped.item() == pytest.approx((wrong + right) / 2, abs=1e-6)


def test_the_text_is_what_asks() -> None:
    """Both speeches lie on the first axis: text 1 finds two as good, text 2 none better than the other."""
    loss = reverse_infonce(EYE[[0, 0]], EYE[[0, 1]], dims=[4], temperature=1.0)
    assert loss.item() == pytest.approx(log(2), abs=1e-6)
    other_way = reverse_infonce(EYE[[0, 1]], EYE[[0, 0]], dims=[4], temperature=1.0)
    assert other_way.item() == pytest.approx((log(1 + exp(-1)) + log(1 + exp(1))) / 2, abs=1e-6)


def test_rows_that_say_the_same_are_no_negatives() -> None:
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    asked = partial(reverse_infonce, EYE[[0, 0, 1]], EYE[[0, 0, 1]], dims=[4], temperature=1.0)
    # The first two see their own and the third; the third sees all three.
    first, third = log(1 + exp(-1)), log(1 + 2 * exp(-1))
    assert asked(same_BW=same).item() == pytest.approx((2 * first + third) / 3, abs=1e-6)
    # A row is its own positive, whether or not it is said to be the same as itself.
    assert torch.equal(asked(same_BW=same & ~torch.eye(3, dtype=torch.bool)), asked(same_BW=same))
    assert asked(same_BW=torch.ones(3, 3, dtype=torch.bool)).item() == 0


def test_the_order_of_the_pairs_does_not_matter() -> None:
    vectors, texts = random_rows(0, 5, 8), random_rows(1, 5, 8)
    same = torch.eye(5, dtype=torch.bool)
    same[0, 3] = same[3, 0] = True
    order = torch.tensor([3, 1, 4, 0, 2])
    loss = reverse_infonce(vectors, texts, dims=[8, 4], same_BW=same)
    again = reverse_infonce(vectors[order], texts[order], dims=[8, 4], same_BW=same[order][:, order])
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)


def test_in_the_batch_both_prefixes_are_renormalised() -> None:
    """Lengths do not count, nor what lies behind the prefix; several dims give their mean."""
    vectors = torch.tensor([[3.0, 0, 9, 0], [0, 0.1, 0, 9]])
    texts = torch.tensor([[0.2, 0, 0, 5], [0, 7.0, 5, 0]])
    two = reverse_infonce(vectors, texts, dims=[2], temperature=1.0)
    assert two.item() == pytest.approx(log(1 + exp(-1)), abs=1e-6)
    four = reverse_infonce(vectors, texts, dims=[4], temperature=1.0)
    both = reverse_infonce(vectors, texts, dims=[4, 2], temperature=1.0)
    assert both.item() == pytest.approx((two.item() + four.item()) / 2, abs=1e-6)


def test_no_gradient_between_rows_that_say_the_same() -> None:
    vectors = torch.tensor([[1.0, 0.2], [0.3, 1.0]]).requires_grad_()
    same = torch.ones(2, 2, dtype=torch.bool)
    reverse_infonce(vectors, torch.eye(2), dims=[2], same_BW=same).backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert torch.equal(vectors.grad, torch.zeros(2, 2))


# Towards one vector


def test_distillation_is_one_minus_the_mean_cosine() -> None:
    teachers = torch.stack([3 * EYE[0], EYE[1], -EYE[0]])
    assert distillation(EYE[[0, 0, 0]], teachers).item() == pytest.approx((0 + 1 + 2) / 3)


def test_regression_wants_the_same_values_and_the_same_direction() -> None:
    """The opposite of an axis differs by 2 in one of two values, and its cosine is -1."""
    loss = regression(torch.tensor([[1.0, 0]]), torch.tensor([[-1.0, 0]]), dims=[2])
    assert loss.item() == pytest.approx(1 + log(1 + exp(1)), abs=1e-6)
    equal = regression(EYE[:2], EYE[:2], dims=[4, 2])
    assert equal.item() == pytest.approx(log(1 + exp(-1)), abs=1e-6)


def test_regression_by_a_slow_loop() -> None:
    vectors, targets = random_rows(0, 5, 6), random_rows(1, 5, 6)
    slow = plain_losses.regression(vectors.tolist(), targets.tolist(), (6, 4, 2))
    assert regression(vectors, targets, dims=(6, 4, 2)).item() == pytest.approx(slow, rel=1e-12)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "infonce": lambda vectors, targets: infonce(vectors, targets, dims=[6, 2], margin=0.1, temperature=0.5),
    "reverse": lambda vectors, targets: reverse_infonce(vectors, targets, dims=[6, 2], temperature=0.5),
    "distillation": distillation,
    "regression": lambda vectors, targets: regression(vectors, targets, dims=[6, 2]),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_gradients_are_those_of_small_steps(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    vectors, targets = random_rows(0, 3, 6).requires_grad_(), random_rows(1, 3, 6)
    assert torch.autograd.gradcheck(lambda rows: loss(rows, targets), vectors)
