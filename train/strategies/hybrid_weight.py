"""Weight of the transcript in a hybrid: the weight with the best score on dev.

Shapes: n clips, D width of the space.
"""

from collections.abc import Callable, Sequence

from embed.encoder import FloatArray
from embed.model.hybrid import mix

Score = Callable[[FloatArray], float]  # unit vectors [n, D] of the clips to a score; higher is better


def best_weight(
    speech_nD: FloatArray, transcripts_nD: FloatArray, weights: Sequence[float], score: Score
) -> tuple[float, dict[float, float]]:
    """The weight of the transcripts' vectors with the best `score` (on dev), and all scores.

    Of equals the smaller weight: with it, the recogniser's errors on other data count less.
    """
    scores = {weight: score(mix(speech_nD, transcripts_nD, weight)) for weight in sorted(set(weights))}
    return max(scores, key=lambda weight: scores[weight]), scores
