"""Unseen speakers: prompts that another speaker has recorded too, over a telephone, and that no training may use.

The recordings are reserved: they are scored once a release, and no choice is made by them.  Their wording may differ
from the transcript: `unseen.tsv` lists the prompts whose recognised words agree with it by half or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed.errors import DataUnavailable, InputError
from embed.storage.cache import cache_folder
from evaluate.measures.bootstrap import difference, interval
from evaluate.measures.by_dim import judged_by_dim
from evaluate.measures.names import NDCG
from evaluate.models import Models
from evaluate.robustness.changes import Changed
from evaluate.robustness.results import SpeakerScore, UnseenSpeaker
from evaluate.vectors import speech_vectors, text_vectors
from train.curate.clip import Clip, text_key
from train.curate.packages.apt import fetch
from train.curate.sources import asterisk
from train.curate.speech_pairs import prompts_by_part

LIST = Path(__file__).parent / "unseen.tsv"
TEXT_LANG = "en"
SOURCE = "asterisk"


@dataclass(frozen=True)
class Reserved:
    """Recordings of another speaker."""

    package: str
    lang: str
    ending: str


RESERVED = {
    one.lang: one
    for one in (
        Reserved("asterisk-prompt-fr-armelle", "fr", ".gsm"),
        Reserved("asterisk-prompt-es-co", "es", ".gsm"),
        Reserved("asterisk-prompt-it-menardi-wav", "it", ".wav"),
    )
}


def unseen_clips(known: Sequence[Clip], lang: str, cache: Path) -> list[Clip]:
    """For each prompt of the list that `known` has, the other speaker's recording, in the order of `known`."""
    if lang not in RESERVED:
        raise InputError(f"field 'robustness.unseen': no reserved recordings in {lang!r}; give {', '.join(RESERVED)}")
    reserved = RESERVED[lang]
    folder = fetch(reserved.package, cache) / "usr/share/asterisk/sounds" / lang
    if not folder.is_dir():
        raise DataUnavailable(f"{folder}: missing; remove the package's folder to fetch it again")
    rows = (line.split("\t") for line in LIST.read_text(encoding="utf-8").splitlines()[1:])
    keys = {f"{asterisk.SOURCE}:{key}" for own, key in rows if own == lang}
    found = []
    for clip in known:
        path = folder / f"{clip.key.partition(':')[2]}{reserved.ending}"
        if clip.key in keys and path.is_file():
            found.append(
                Clip(
                    reserved.package, clip.key, lang, clip.text, str(path), clip.translations, size=path.stat().st_size
                )
            )
    return found


def measure_unseen(models: Models, lang: str) -> tuple[UnseenSpeaker, ...]:
    """The same prompts by the known and by the unseen speaker; first those of the test part alone, then all of them.

    Of other parts than test the known speaker's recordings may have been trained on.
    """
    cache = cache_folder()
    parts = prompts_by_part(SOURCE, cache, (lang,), (TEXT_LANG,))[0]
    able = {
        part: [one for one in clips if one.lang == lang and TEXT_LANG in one.translations]
        for part, clips in parts.items()
    }
    texts: dict[str, str] = {}
    for captions in asterisk.captions(cache, (TEXT_LANG,)).values():
        texts.setdefault(text_key(captions[TEXT_LANG]), captions[TEXT_LANG])
    of_all = [one for part in ("test", "dev", "train") for one in able[part]]
    return tuple(
        _measured(models, lang, name, known, texts, cache)
        for name, known in (("test prompts", able["test"]), ("all prompts", of_all))
    )


def _measured(
    models: Models, lang: str, name: str, prompts: Sequence[Clip], texts: dict[str, str], cache: Path
) -> UnseenSpeaker:
    unseen = unseen_clips(prompts, lang, cache)
    by_key = {one.key: one for one in reversed(prompts)}
    known = [by_key[one.key] for one in unseen]
    if not known:
        raise InputError(f"field 'robustness.unseen': no {lang} prompt of both speakers has an {TEXT_LANG} text")
    place = {key: row for row, key in enumerate(texts)}
    relevant = np.asarray([place[text_key(one.translations[TEXT_LANG])] for one in known])
    spec, dims = models.spec, models.spec.dims or models.model.dims
    documents = text_vectors(models, spec.systems, list(texts.values()), "document")
    over_gsm = models.reading(Changed("gsm", 8.0, spec.seed), spec)
    questions = [
        speech_vectors(models, spec.systems, known, "query"),
        speech_vectors(over_gsm, spec.systems, known, "query"),
        speech_vectors(models, spec.systems, unseen, "query"),
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
    title = f"{SOURCE} {lang}->{TEXT_LANG}, {RESERVED[lang].package}, {name}"
    return UnseenSpeaker(title, len(known), len(texts), tuple(scores))
