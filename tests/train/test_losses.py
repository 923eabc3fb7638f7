"""Losses on axes: the numbers can be worked out by hand."""

from math import cos, exp, log, pi, sin

import pytest
import torch

from train.losses import distillation, in_batch_infonce, matryoshka_infonce

EYE = torch.eye(4)
ALL = torch.ones(2, 4, dtype=torch.bool)


def test_a_vector_on_its_axis_among_four() -> None:
    # Scores are 1/t for the right one and 0 for three others.
    loss = matryoshka_infonce(EYE[:2], {4: EYE}, torch.tensor([0, 1]), ALL, temperature=0.5)
    assert loss.item() == pytest.approx(-log(exp(2) / (exp(2) + 3)), abs=1e-6)
    wrong = matryoshka_infonce(EYE[:2], {4: EYE}, torch.tensor([1, 0]), ALL, temperature=0.5)
    assert wrong.item() == pytest.approx(-log(1 / (exp(2) + 3)), abs=1e-6)


def test_the_loss_is_the_mean_over_dims_of_renormalised_prefixes() -> None:
    # (1, 1, 1, 1): half of the way to every axis in four dimensions, 1/sqrt(2) in the first two.
    vector = torch.full((1, 4), 7.0)
    candidates = {4: EYE, 2: torch.eye(2)[[0, 1, 0, 1]]}
    loss = matryoshka_infonce(vector, candidates, torch.tensor([0]), ALL[:1], temperature=1.0)
    assert loss.item() == pytest.approx(log(4), abs=1e-6)
    slanted = torch.tensor([[cos(pi / 6), sin(pi / 6), 0, 9.0]])
    two = matryoshka_infonce(slanted, {2: torch.eye(2)}, torch.tensor([0]), ALL[:1, :2], temperature=1.0)
    assert two.item() == pytest.approx(log(1 + exp(0.5 - cos(pi / 6))), abs=1e-6)


def test_candidates_that_are_not_allowed_do_not_count() -> None:
    allowed = torch.tensor([[True, True, False, False], [False, True, False, False]])
    loss = matryoshka_infonce(EYE[[0, 2]], {4: EYE}, torch.tensor([0, 1]), allowed, temperature=1.0)
    first, alone = -log(exp(1) / (exp(1) + 1)), 0.0
    assert loss.item() == pytest.approx((first + alone) / 2, abs=1e-6)


def test_gradients_do_not_reach_what_is_not_allowed() -> None:
    vectors = EYE[:1].clone().requires_grad_()
    candidates = EYE.clone().requires_grad_()
    allowed = torch.tensor([[True, True, False, True]])
    matryoshka_infonce(vectors, {4: candidates}, torch.tensor([0]), allowed, 0.1).backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert candidates.grad is not None
    assert torch.isfinite(vectors.grad).all()
    assert candidates.grad[2].abs().sum() == 0
    assert candidates.grad[1].abs().sum() > 0


def test_distillation_is_one_minus_the_mean_cosine() -> None:
    teachers = torch.stack([3 * EYE[0], EYE[1], -EYE[0]])
    assert distillation(EYE[[0, 0, 0]], teachers).item() == pytest.approx((0 + 1 + 2) / 3)


NONE_SAME = torch.eye(4, dtype=torch.bool)


def test_each_text_finds_its_own_speech_in_the_batch() -> None:
    loss = in_batch_infonce(EYE, EYE, NONE_SAME, [4], temperature=0.5)
    assert loss.item() == pytest.approx(-log(exp(2) / (exp(2) + 3)), abs=1e-6)
    # The first two have each other's speech: a score of 0 for the right one, of 1/t for a wrong one.
    swapped = in_batch_infonce(EYE[[1, 0, 2, 3]], EYE, NONE_SAME, [4], temperature=0.5)
    wrong, right = -log(1 / (exp(2) + 3)), -log(exp(2) / (exp(2) + 3))
    assert swapped.item() == pytest.approx((wrong + right) / 2, abs=1e-6)


def test_the_text_is_what_asks() -> None:
    """Both speeches lie on the first axis: text 1 finds two as good, text 2 none better than the other."""
    loss = in_batch_infonce(EYE[[0, 0]], EYE[[0, 1]], NONE_SAME[:2, :2], [4], temperature=1.0)
    assert loss.item() == pytest.approx(log(2), abs=1e-6)
    other_way = in_batch_infonce(EYE[[0, 1]], EYE[[0, 0]], NONE_SAME[:2, :2], [4], temperature=1.0)
    assert other_way.item() == pytest.approx((log(1 + exp(-1)) + log(1 + exp(1))) / 2, abs=1e-6)


def test_rows_that_say_the_same_are_no_negatives() -> None:
    vectors, texts = EYE[[0, 0, 1]], EYE[[0, 0, 1]]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    loss = in_batch_infonce(vectors, texts, same, [4], temperature=1.0)
    # The first two see their own and the third; the third sees all three.
    first, third = log(1 + exp(-1)), log(1 + 2 * exp(-1))
    assert loss.item() == pytest.approx((2 * first + third) / 3, abs=1e-6)
    # A row is its own positive, whether or not it is said to be the same as itself.
    without = same & ~torch.eye(3, dtype=torch.bool)
    assert torch.equal(in_batch_infonce(vectors, texts, without, [4], 1.0), loss)
    all_same = torch.ones(3, 3, dtype=torch.bool)
    assert in_batch_infonce(vectors, texts, all_same, [4], 1.0).item() == 0


def test_the_order_of_the_pairs_does_not_matter() -> None:
    torch.manual_seed(0)
    vectors, texts = torch.randn(5, 8), torch.randn(5, 8)
    same = torch.eye(5, dtype=torch.bool)
    same[0, 3] = same[3, 0] = True
    order = torch.tensor([3, 1, 4, 0, 2])
    loss = in_batch_infonce(vectors, texts, same, [8, 4], 0.1)
    again = in_batch_infonce(vectors[order], texts[order], same[order][:, order], [8, 4], 0.1)
    assert again.item() == pytest.approx(loss.item(), rel=1e-5)


def test_in_the_batch_both_prefixes_are_renormalised() -> None:
    """Lengths do not count, nor what lies behind the prefix; several dims give their mean."""
    vectors = torch.tensor([[3.0, 0, 9, 0], [0, 0.1, 0, 9]])
    texts = torch.tensor([[0.2, 0, 0, 5], [0, 7.0, 5, 0]])
    two = in_batch_infonce(vectors, texts, NONE_SAME[:2, :2], [2], temperature=1.0)
    assert two.item() == pytest.approx(log(1 + exp(-1)), abs=1e-6)
    four = in_batch_infonce(vectors, texts, NONE_SAME[:2, :2], [4], temperature=1.0)
    both = in_batch_infonce(vectors, texts, NONE_SAME[:2, :2], [4, 2], temperature=1.0)
    assert both.item() == pytest.approx((two.item() + four.item()) / 2, abs=1e-6)


def test_no_gradient_between_rows_that_say_the_same() -> None:
    vectors = torch.tensor([[1.0, 0.2], [0.3, 1.0]]).requires_grad_()
    in_batch_infonce(vectors, torch.eye(2), torch.ones(2, 2, dtype=torch.bool), [2], 0.1).backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert torch.equal(vectors.grad, torch.zeros(2, 2))
