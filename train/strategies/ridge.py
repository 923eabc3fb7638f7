"""Ridge regression, a baseline that is fitted in a minute: from mean-pooled speech frames to the text's vector.

Shapes: n clips, F width of the frames, D width of the space.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from train.strategies.late_fusion import ClipFeatures, LateFusionStrategy

RIDGE = "ridge.safetensors"  # in a model's folder

Setting = tuple[str, float]  # the part of the training data, and the strength


@dataclass(frozen=True)
class Ridge:
    """Linear map of pooled frames: standardise [F], multiply [F, D], add [D]."""

    centre: Tensor
    scale: Tensor
    weights: Tensor
    bias: Tensor

    def predict(self, pooled: Tensor) -> Tensor:
        """Unit vectors [n, D] of pooled frames [n, F]."""
        return nn.functional.normalize((pooled - self.centre) / self.scale @ self.weights + self.bias, dim=-1)

    def state(self) -> dict[str, Tensor]:
        return {"centre": self.centre, "scale": self.scale, "weights": self.weights, "bias": self.bias}


def tune_ridge(strategy: LateFusionStrategy, strengths: Sequence[float]) -> tuple[Ridge, dict[str, Any]]:
    """The baseline on the strategy's clips, and its metrics.

    Its strength, and the use of synthetic speech, are chosen on the strategy's dev by the strategy's metric.
    """
    documents, targets = strategy.targets.vectors["document"], strategy.targets
    pooled, dev = (pooled_means(strategy.features, clips) for clips in (strategy.train, strategy.dev))
    right = np.asarray([targets.spoken[clip] for clip in strategy.dev])

    def score(ridge: Ridge) -> float:
        return float(np.mean(strategy.metric(ridge.predict(dev).numpy() @ documents.numpy().T, right)))

    # A clip's target is the mean of its texts in all languages; the strategy draws one of them at random.
    means = torch.stack([documents[sorted(targets.own[clip].values())].mean(0) for clip in strategy.train])
    recorded = [row for row, clip in enumerate(strategy.train) if not strategy.clips[clip].synthetic]
    parts = {"all": range(len(means)), **({"recorded": recorded} if 1 < len(recorded) < len(means) else {})}
    unit = nn.functional.normalize(means, dim=-1)
    best, (part, strength), scores = best_ridge(pooled, unit, strengths, score, parts)
    by_strength = {str(one): round(value, 4) for (of, one), value in scores.items() if of == part}
    return best, {"chosen": strength, "learnt_from": part, "dev_speech_to_text_by_strength": by_strength}


def pooled_means(features: ClipFeatures, clips: Sequence[int]) -> Tensor:
    """The mean frame [n, F] of each clip without augmentation."""
    return torch.stack([features.frames(clip).mean(0) for clip in clips])


def fit_ridge(pooled: Tensor, targets: Tensor, strength: float) -> Ridge:
    """Least squares from pooled [n, F] to targets [n, D] with a penalty of `strength` on the standardised weights."""
    centre, scale = pooled.mean(0), pooled.std(0).clamp_min(1e-6)
    x = ((pooled - centre) / scale).double()
    bias = targets.double().mean(0)
    penalty = strength * torch.eye(x.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(x.T @ x + penalty, x.T @ (targets.double() - bias))
    return Ridge(centre, scale, weights.float(), bias.float())


def best_ridge(
    pooled: Tensor,
    targets: Tensor,
    strengths: Sequence[float],
    score: Callable[[Ridge], float],
    parts: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Ridge, Setting, dict[Setting, float]]:
    """The ridge with the highest `score` (on dev), its part and strength, and all scores.

    `parts` are named sets of rows to fit instead of all, e.g. the recorded ones.
    """
    best: tuple[Ridge, Setting] | None = None
    scores: dict[Setting, float] = {}
    for part, rows in (parts or {"all": range(len(pooled))}).items():
        own = torch.tensor(list(rows))
        for strength in strengths:
            ridge = fit_ridge(pooled[own], targets[own], strength)
            scores[part, strength] = score(ridge)
            if best is None or scores[part, strength] > scores[best[1]]:
                best = ridge, (part, strength)
    assert best is not None
    return *best, scores
