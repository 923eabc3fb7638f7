"""Calibration questions: rows of the index, spans and words of its texts, rows of the other modality, or a log.

Rows are the best substitute where there is no log, but people ask in few words, or aloud, far from the rows that they
look for; each kind needs another depth, so each must keep the promise by itself:

    rows    rows of the modality; a row must not count as its own answer
    spans   5 to 12 successive words of its texts, as typed by a user who remembers a part
    words   1 to 3 successive words
    word    one word: the hardest of typed questions
    other   rows of the other modality: spoken questions to texts, texts to speech
    spread  spans as far from their vectors as speech is; where the model hears and the dataset has no speech
    log     real questions, instead of all others

A part of each kind chooses, the rest is reported.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from index.contracts import NO_ID, IntArray
from index.neighbours import spread, unit_rows
from index.parts.artifact import PROVENANCE_COPY
from index.rungs.segment import Segment

Encode = Callable[[Sequence[str]], FloatArray]

ROWS, SPANS, WORDS, WORD, OTHER, SPREAD, LOG = "rows", "spans", "words", "word", "other", "spread", "log"
ROW_QUESTIONS, ROWS_REPORTED = 6_600, 1_500
TYPED_QUESTIONS, OTHER_QUESTIONS = 800, 1_000  # of each kind that is typed; of rows of the other modality
CHOOSING_SHARE = 0.3  # of all but rows
FEWEST = 32  # of a kind; with fewer a share of one in a hundred cannot be measured
SPAN_WORDS = 5, 12
TYPED = {SPANS: SPAN_WORDS, WORDS: (1, 3), WORD: (1, 1)}  # number of words
SEED = 7
# Length of the step from a vector of length 1: then the cosine to it is .73.  The demo model's recorded prompts have
# .72 in the median to the vectors of their texts, .54 and .81 at the ends of the middle four fifths.
SPEECH_SPREAD = 0.95
MIXED_ROWS = 8  # a step in the direction of two rows ends too near one of them, and is an easy question


@dataclass(frozen=True)
class Questions:
    """Questions of one kind."""

    kind: str
    vectors: FloatArray  # [q, D], unit rows
    own: IntArray  # [q], position of the row that a question was made from; -1 for none

    def some(self, which: slice) -> "Questions":
        return Questions(self.kind, self.vectors[which], self.own[which])


@dataclass(frozen=True)
class Split:
    """The questions that choose, and those that are reported; the same kinds in both."""

    choose: tuple[Questions, ...]
    report: tuple[Questions, ...]


def questions_for(
    segment: Segment, folder: Path, encode: Encode | None, log: FloatArray | None, others: FloatArray | None = None
) -> Split:
    """Questions for one segment, whose files are in `folder`.

    `encode` turns texts into queries; without it nothing is typed.  `others` [n, D] are rows of the other
    modality.  A log replaces all kinds, but the router is trained on rows too.
    """
    rows = _row_questions(segment)
    reported = min(ROWS_REPORTED, len(rows.own) // 2)
    kept = rows.some(slice(reported, None)), rows.some(slice(reported))
    if log is not None and len(log) >= 2 * FEWEST:
        asked = Questions(LOG, unit_rows(log, log.shape[1]), np.full(len(log), NO_ID, np.int64))
        half = len(log) // 2
        return Split((kept[0], asked.some(slice(half))), (asked.some(slice(half, None)),))
    kinds = [] if encode is None else list(_typed_questions(segment, folder, encode))
    if others is not None and len(others) >= 2 * FEWEST:
        kinds.append(_other_questions(others))
    elif kinds and getattr(encode, "hears", False):
        kinds.append(_spread_questions(kinds[0], rows))
    cuts = [max(FEWEST, int(CHOOSING_SHARE * len(kind.own))) for kind in kinds]
    choose = (kind.some(slice(cut)) for kind, cut in zip(kinds, cuts, strict=True))
    report = (kind.some(slice(cut, None)) for kind, cut in zip(kinds, cuts, strict=True))
    return Split((kept[0], *choose), (kept[1], *report))


def span(text: str, rng: np.random.Generator, words: tuple[int, int] = SPAN_WORDS) -> str:
    """Successive words, as many as from the first to the second of `words`."""
    split = text.split()
    count = int(rng.integers(words[0], words[1] + 1))
    start = int(rng.integers(0, max(1, len(split) - count + 1)))
    return " ".join(split[start : start + count])


def _row_questions(segment: Segment) -> Questions:
    at = spread(len(segment), ROW_QUESTIONS)
    at = np.random.default_rng(SEED).permutation(at)  # so that reported rows are from all lists
    return Questions(ROWS, unit_rows(segment.rows[at], segment.rows.shape[1]), at)


def _typed_questions(segment: Segment, folder: Path, encode: Encode) -> Iterator[Questions]:
    """Questions of each typed kind, of different rows where there are enough; none where too few have texts."""
    column = pq.read_table(folder / PROVENANCE_COPY, columns=["text"])["text"]
    rng = np.random.default_rng(SEED)
    at = rng.permutation(spread(len(segment), len(TYPED) * TYPED_QUESTIONS))
    texts = column.take(pa.array(at)).to_pylist()
    chosen = [(place, text) for place, text in zip(at, texts, strict=True) if text and text.strip()]
    if len(chosen) < 2 * FEWEST:
        return
    apart = len(chosen) >= 2 * FEWEST * len(TYPED)
    for number, (kind, words) in enumerate(TYPED.items()):
        some = chosen[number :: len(TYPED)] if apart else chosen
        vectors = encode([span(text, rng, words) for _, text in some])
        yield Questions(kind, unit_rows(vectors, vectors.shape[1]), np.array([place for place, _ in some], np.int64))


def _other_questions(others: FloatArray) -> Questions:
    at = np.random.default_rng(SEED).permutation(spread(len(others), OTHER_QUESTIONS))
    return Questions(OTHER, unit_rows(others[at], others.shape[1]), np.full(len(at), NO_ID, np.int64))


def _spread_questions(spans: Questions, rows: Questions) -> Questions:
    """Spans moved a step in a mixed direction of some rows: errors of speech lie in the space of the rows."""
    rng = np.random.default_rng(SEED)
    shape = len(spans.own), MIXED_ROWS
    chosen, signs = rng.integers(len(rows.own), size=shape), rng.choice(np.array([-1, 1], np.float32), size=shape)
    step = np.einsum("qr,qrd->qd", signs, rows.vectors[chosen])
    step *= SPEECH_SPREAD / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
    return Questions(SPREAD, unit_rows(spans.vectors + step, step.shape[1]), spans.own)
