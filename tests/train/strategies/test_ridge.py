"""Ridge against plain least squares, and its choice of strength."""

import numpy as np
import pytest
import torch

from tests.train.memory_lesson import CLIPS, TRAIN, MemoryLesson
from train.curate.clip import Clip
from train.frozen.features import Features
from train.strategies.ridge import Ridge, best_ridge, fit_ridge, pooled_means, tune_ridge

NOISE = torch.Generator().manual_seed(5)
POOLED = torch.randn(40, 6, generator=NOISE) * torch.tensor([1.0, 10, 0.1, 1, 5, 1]) + 3
TARGETS = torch.nn.functional.normalize(torch.randn(40, 4, generator=NOISE), dim=-1)


def plain(ridge: Ridge, pooled: torch.Tensor) -> torch.Tensor:
    """The prediction before it is brought to unit length."""
    return (pooled - ridge.centre) / ridge.scale @ ridge.weights + ridge.bias


def test_strength_nought_is_least_squares() -> None:
    with_one = np.concatenate([POOLED.double().numpy(), np.ones((40, 1))], axis=1)
    solution, *_ = np.linalg.lstsq(with_one, TARGETS.double().numpy(), rcond=None)
    found = plain(fit_ridge(POOLED, TARGETS, 0.0), POOLED)
    np.testing.assert_allclose(found.numpy(), with_one @ solution, atol=1e-5)


def test_a_penalty_is_that_of_the_standardised_columns() -> None:
    x = (POOLED - POOLED.mean(0)) / POOLED.std(0)
    # Ridge is least squares with sqrt(strength) more rows for each column.
    rows = np.concatenate([x.double().numpy(), np.sqrt(7.0) * np.eye(6)])
    wanted = np.concatenate([(TARGETS - TARGETS.mean(0)).double().numpy(), np.zeros((6, 4))])
    solution, *_ = np.linalg.lstsq(rows, wanted, rcond=None)
    np.testing.assert_allclose(fit_ridge(POOLED, TARGETS, 7.0).weights.numpy(), solution, atol=1e-5)


def test_a_crushing_penalty_says_the_mean_and_predictions_are_unit() -> None:
    ridge = fit_ridge(POOLED, TARGETS, 1e12)
    mean = torch.nn.functional.normalize(TARGETS.mean(0), dim=0)
    torch.testing.assert_close(ridge.predict(POOLED), mean.expand(40, 4), atol=1e-4, rtol=0)
    lengths = fit_ridge(POOLED, TARGETS, 1.0).predict(POOLED).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(40))


def test_a_constant_column_does_no_harm() -> None:
    constant = torch.cat([POOLED, torch.full((40, 1), 2.0)], dim=1)
    assert torch.isfinite(fit_ridge(constant, TARGETS, 1.0).predict(constant)).all()


def test_the_strength_with_the_best_score_is_kept() -> None:
    def score(ridge: Ridge) -> float:
        return -abs(float(ridge.weights.norm()) - float(fit_ridge(POOLED, TARGETS, 10.0).weights.norm()))

    ridge, chosen, scores = best_ridge(POOLED, TARGETS, (1.0, 10.0, 100.0), score)
    assert chosen == ("all", 10.0)
    assert set(scores) == {("all", 1.0), ("all", 10.0), ("all", 100.0)}
    assert scores[chosen] == max(scores.values()) == pytest.approx(0)
    assert set(ridge.state()) == {"centre", "scale", "weights", "bias"}


def test_what_it_learns_from_may_be_a_part_that_suits_it_better() -> None:
    spoilt = torch.cat([TARGETS[:30], -TARGETS[30:]])
    parts = {"all": range(40), "recorded": range(30)}

    def score(ridge: Ridge) -> float:
        return float((ridge.predict(POOLED) * torch.nn.functional.normalize(TARGETS, dim=-1)).sum(1).mean())

    ridge, chosen, scores = best_ridge(POOLED, spoilt, (1.0, 10.0), score, parts)
    assert chosen[0] == "recorded"
    assert len(scores) == 4
    torch.testing.assert_close(ridge.weights, fit_ridge(POOLED[:30], TARGETS[:30], chosen[1]).weights)


class InMemory(Features):
    """Two clips, of two frames and of one."""

    def frames(self, clip: int, view: int = 0) -> torch.Tensor:
        return (torch.tensor([[0.0, 2], [2, 4]]), torch.tensor([[10.0, 10]]))[clip]


def test_a_clip_is_pooled_over_its_own_frames() -> None:
    assert pooled_means(InMemory([], 2), [1, 0]).tolist() == [[10, 10], [1, 3]]


@pytest.mark.parametrize("num_synthetic", [0, 8, len(TRAIN)])
def test_synthetic_speech_is_left_out_where_that_scores_better_on_dev(lesson: MemoryLesson, num_synthetic: int) -> None:
    strategy = lesson.strategy()
    strategy.clips = [Clip("own", f"own:{i}", "en", "", "", {}, synthetic=i < num_synthetic) for i in range(CLIPS)]
    ridge, metrics = tune_ridge(strategy, (1.0, 100.0))
    assert metrics["chosen"] in (1.0, 100.0)
    assert metrics["learnt_from"] in (("all", "recorded") if num_synthetic == 8 else ("all",))
    assert list(metrics["dev_speech_to_text_by_strength"]) == ["1.0", "100.0"]
    pooled = pooled_means(strategy.features, strategy.dev)
    documents, right = lesson.targets.vectors["document"], [lesson.targets.spoken[clip] for clip in strategy.dev]
    score = strategy.metric(ridge.predict(pooled).numpy() @ documents.numpy().T, np.asarray(right)).mean()
    assert metrics["dev_speech_to_text_by_strength"][str(metrics["chosen"])] == pytest.approx(score, abs=1e-4)
