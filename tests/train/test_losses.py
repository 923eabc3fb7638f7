"""Losses on axes: the numbers can be worked out by hand."""

from math import cos, exp, log, pi, sin

import pytest
import torch

from train.losses import distillation, matryoshka_infonce

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
