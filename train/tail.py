"""How much the last axes count in vectors of speech: the weight that dev likes best.

What a nesting transform puts behind the second widest dim tells least of meaning and most of language, and speech in
one language is to meet texts in another.  Texts keep all of it: their vectors are the frozen tower's.
Shapes: n clips, D width of the space.
"""

from collections.abc import Callable, Sequence

import torch

from embed.encoder import FloatArray
from embed.model.joint import faded

Score = Callable[[FloatArray, FloatArray], float]  # unit vectors [n, D] as queries, as documents; more is better


def best_tail(
    spoken_nD: FloatArray, heard_nD: FloatArray, dims: Sequence[int], tails: Sequence[float], score: Score
) -> tuple[float, dict[float, float]]:
    """The weight that `score` (on dev) likes best, and all scores; of equals the larger.

    The vectors are those of a model whose own weight is 1.
    """

    def weighed(vectors: FloatArray, tail: float) -> FloatArray:
        found: FloatArray = faded(torch.from_numpy(vectors), dims, tail).numpy()
        return found

    scores = {
        tail: score(weighed(spoken_nD, tail), weighed(heard_nD, tail)) for tail in sorted(set(tails), reverse=True)
    }
    return max(scores, key=lambda tail: scores[tail]), scores
