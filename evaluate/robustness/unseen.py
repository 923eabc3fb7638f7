"""Measurement of unseen speakers: the same prompts by the known and by another speaker, over a telephone.

Which recordings these are, and why they are reserved, is in `train.curate.benchmarks.unseen`.
"""

import numpy as np

from embed.errors import InputError
from embed.storage.cache import cache_folder
from evaluate.measures.bootstrap import difference, interval
from evaluate.measures.by_dim import judged_by_dim
from evaluate.measures.names import NDCG
from evaluate.models import Models
from evaluate.robustness.changes import Changed
from evaluate.robustness.results import SpeakerScore, UnseenSpeaker
from evaluate.vectors import speech_vectors, text_vectors
from train.curate.benchmarks.unseen import TEXT_LANG, Speakers, speakers
from train.curate.clip import text_key


def measure_unseen(models: Models, lang: str) -> tuple[UnseenSpeaker, ...]:
    """Each set of prompts of that language; see `train.curate.benchmarks.unseen.speakers`."""
    return tuple(_measured(models, lang, one) for one in speakers(lang, cache_folder()))


def _measured(models: Models, lang: str, found: Speakers) -> UnseenSpeaker:
    if not found.known:
        raise InputError(f"field 'robustness.unseen': no {lang} prompt of both speakers has an {TEXT_LANG} text")
    place = {key: row for row, key in enumerate(found.texts)}
    relevant = np.asarray([place[text_key(one.translations[TEXT_LANG])] for one in found.known])
    spec, dims = models.spec, models.spec.dims or models.model.dims
    documents = text_vectors(models, spec.systems, list(found.texts.values()), "document")
    over_gsm = models.reading(Changed("gsm", 8.0, spec.seed), spec)
    questions = [
        speech_vectors(models, spec.systems, found.known, "query"),
        speech_vectors(over_gsm, spec.systems, found.known, "query"),
        speech_vectors(models, spec.systems, found.unseen, "query"),
    ]
    scores = []
    for system in spec.systems:
        judged = [judged_by_dim(one[system], documents[system], relevant, dims) for one in questions]
        for dim in dims:
            own, telephone, other = (one[dim].values[NDCG] for one in judged)
            settings = spec.draws, spec.seed
            scores.append(
                SpeakerScore(
                    system,
                    dim,
                    interval(own, *settings),
                    interval(telephone, *settings),
                    interval(other, *settings),
                    difference(other, own, *settings),
                    difference(other, telephone, *settings),
                )
            )
    return UnseenSpeaker(found.title, len(found.known), len(found.texts), tuple(scores))
