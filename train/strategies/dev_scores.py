"""Scores on dev: how well speech finds its texts and texts their speech, at every dim, by the caller's metric."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from train.frozen.targets import Targets
from train.strategy import SCORE, Metric

TO_TEXT, TO_SPEECH = "speech_to_text", "text_to_speech"  # "speech_to_text@384" and so on


def dev_scores(judged: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Means of the values of `judge_dev`; SCORE is the mean of both directions at the widest dim."""
    means = {name: float(values.mean()) for name, values in judged.items()}
    widest = max(int(name.partition("@")[2]) for name in means)
    return {SCORE: (means[f"{TO_TEXT}@{widest}"] + means[f"{TO_SPEECH}@{widest}"]) / 2, **means}


def judge_dev(
    clip_queries: Mapping[int, FloatArray],
    clip_documents: Mapping[int, FloatArray],
    targets: Targets,
    dev: Sequence[int],
    metric: Metric,
) -> dict[str, NDArray[np.float64]]:
    """The metric of every dev clip in every language of its texts, by direction and dim.

    `clip_queries` are the clips' unit vectors [n, d] as queries, by d, `clip_documents` as documents.  A spoken
    question searches all texts of a language, a typed one the dev clips that have a text in it.
    """
    documents, questions = (
        targets.prefixes("document", list(clip_queries)),
        targets.prefixes("query", list(clip_queries)),
    )
    found: dict[str, list[float]] = {}
    for lang in sorted(set(targets.langs)):
        rows = [row for row, clip in enumerate(dev) if lang in targets.own[clip]]
        if not rows:
            continue
        positions = [i for i, other in enumerate(targets.langs) if other == lang]
        column = {position: i for i, position in enumerate(positions)}
        own = [targets.own[dev[row]][lang] for row in rows]
        right = np.asarray([column[position] for position in own])
        clips_of = {position: {i for i, other in enumerate(own) if other == position} for position in set(own)}
        clips_right = [clips_of[position] for position in own]
        for dim in clip_queries:
            to_text = clip_queries[dim][rows] @ documents[dim][positions].numpy().T
            found.setdefault(f"{TO_TEXT}@{dim}", []).extend(metric(to_text, right).tolist())
            to_speech = questions[dim][own].numpy() @ clip_documents[dim][rows].T
            found.setdefault(f"{TO_SPEECH}@{dim}", []).extend(metric(to_speech, clips_right).tolist())
    return {name: np.asarray(values) for name, values in found.items()}
