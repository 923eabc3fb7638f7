"""Questions of the promise's bench: passages, spans, words and recordings that no index was calibrated with.

Texts are held out from the end of the passages' order, so they are the same for every number of rows.  Spoken ones are
Debian's Asterisk prompts, for an encoder that hears.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from embed.audio.questions import question_samples
from embed.encoder import FloatArray
from embed.errors import DataUnavailable
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from embed.storage.cache import cache_folder
from evaluate.bench.index.passages import FEW, MORE, spans
from evaluate.bench.index.vectors import SOURCES, Source, part_path, texts_of
from train.curate.sources import asterisk

PASSAGES, SPANS, WORDS, WORD, FRENCH, SPOKEN = "passages", "spans", "1-3 words", "1 word", "French spans", "spoken"
KINDS = (PASSAGES, SPANS, WORDS, WORD, FRENCH)
QUESTIONS = 1_000  # of each kind
MOST_SPOKEN = 400
FRENCH_LANG = "fr"
SHORTEST_WORD = 3
SEED = 11


@dataclass(frozen=True)
class Asked:
    """Rows with their languages, and questions by kind; all unit vectors."""

    name: str
    rows: FloatArray  # [n, D]
    texts: tuple[str, ...]  # [n]
    langs: tuple[str, ...]  # [n]
    questions: dict[str, FloatArray]  # [q, D] of each kind
    dims: tuple[int, ...]
    encode: Callable[[Sequence[str]], FloatArray]  # typed questions


def asked(name: str, n: int, count: int = QUESTIONS) -> Asked:
    """n rows of a data set of the index bench, and `count` questions of each kind.  Raises DataUnavailable."""
    source, texts = SOURCES[name](), _texts(n + 6 * count)
    held_out = list(texts)[n:]
    if len(held_out) < 6 * count:
        raise DataUnavailable(f"{len(texts)} passages are too few for {n} rows; give a smaller --n")
    kinds = typed(held_out, [texts[text] for text in held_out], count)
    questions = {kind: source.cached(some, "document" if kind == PASSAGES else "query") for kind, some in kinds.items()}
    heard = spoken(source, MOST_SPOKEN)
    rows = list(texts)[:n]
    return Asked(
        name,
        source.cached(rows, "document"),
        tuple(rows),
        tuple(texts[text] for text in rows),
        questions if heard is None else {**questions, SPOKEN: heard},
        source.dims,
        lambda typed: source.cached(typed, "query"),
    )


def typed(held_out: Sequence[str], langs: Sequence[str], count: int) -> dict[str, list[str]]:
    """`count` texts of each kind, each from a passage of its own, the last ones first."""
    last = list(held_out[::-1])
    whole, cut, some, one = (last[place * count : (place + 1) * count] for place in range(4))
    rest = [text for text, lang in zip(last, langs[::-1], strict=True) if lang == FRENCH_LANG]
    french = [text for text in rest if text not in {*whole, *cut, *some, *one}][:count]
    return {
        PASSAGES: whole,
        SPANS: spans(cut, SEED),
        WORDS: words(some, 3),
        WORD: words(one, 1),
        FRENCH: spans(french, SEED),
    }


def words(texts: Sequence[str], most: int) -> list[str]:
    """1 to `most` successive words of each text, the first of at least three letters."""
    rng, found = np.random.default_rng(SEED), []
    for text in texts:
        split = text.split()
        starts = [at for at, word in enumerate(split) if len(word) >= SHORTEST_WORD and word.isalpha()] or [0]
        start = int(rng.choice(starts))
        found.append(" ".join(split[start : start + int(rng.integers(1, most + 1))]))
    return found


def spoken(source: Source, count: int) -> FloatArray | None:
    """[q, D] of recorded prompts in three languages, evenly chosen; None where the encoder of the set does not hear."""
    if source.name != "transformer":
        return None
    clips = asterisk.clips(cache_folder(), ("fr", "en", "es"))
    urls = [clips[place].uri for place in np.unique(np.linspace(0, len(clips) - 1, count).astype(int))]
    path = part_path(source.name, source.key, urls, "query")
    if not path.exists():
        model = load_model(resolve_model("demo"), precision="auto")
        decode = partial(question_samples, longest_s=model.longest_s or 0.0)
        found = np.concatenate([model.encode([decode(url)], "query") for url in urls])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, found.astype(np.float32))
    vectors: FloatArray = np.load(path)
    return vectors


def _texts(n: int) -> dict[str, str]:
    few = texts_of(FEW)
    return few if len(few) >= n else texts_of(FEW + MORE)
