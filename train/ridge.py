"""The baseline that costs a minute: closed-form ridge from mean-pooled speech frames to the text's vector.

Shapes: n clips, F width of the frames, D width of the space.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.late_fusion import Heard


@dataclass(frozen=True)
class Ridge:
    """Standardise [F], multiply [F, D], add [D]."""

    centre: Tensor
    scale: Tensor
    weights: Tensor
    bias: Tensor

    def predict(self, pooled: Tensor) -> Tensor:
        """Unit vectors [n, D] of pooled frames [n, F]."""
        return nn.functional.normalize((pooled - self.centre) / self.scale @ self.weights + self.bias, dim=-1)

    def state(self) -> dict[str, Tensor]:
        return {"centre": self.centre, "scale": self.scale, "weights": self.weights, "bias": self.bias}


def pooled_means(features: Heard, clips: Sequence[int]) -> Tensor:
    """The mean frame [n, F] of each clip as it was recorded."""
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
    pooled: Tensor, targets: Tensor, strengths: Sequence[float], score: Callable[[Ridge], float]
) -> tuple[Ridge, float, dict[float, float]]:
    """The ridge of the strength that `score` (on dev) likes best, that strength, and all scores."""
    fitted = {strength: fit_ridge(pooled, targets, strength) for strength in strengths}
    scores = {strength: score(ridge) for strength, ridge in fitted.items()}
    best = max(scores, key=lambda strength: scores[strength])
    return fitted[best], best, scores
