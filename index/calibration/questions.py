"""Calibration questions: rows of the index, short spans of its texts, or a log of real questions.

Rows are the best substitute where there is no log, but people ask in few words, far from the rows that they look for;
the two need different depths, so each kind must keep the promise by itself.  A question made from a row looks for all
other rows: a row must not count as its own answer.  Each kind is halved: one half chooses, the other is reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from index.contracts import IntArray
from index.neighbours import spread, unit_rows
from index.parts.artifact import PROVENANCE_COPY
from index.rungs.segment import Segment

Encode = Callable[[Sequence[str]], FloatArray]

ROWS, SPANS, LOG = "rows", "spans", "log"
ROW_QUESTIONS, SPAN_QUESTIONS = 6_600, 1_000
ROWS_REPORTED = 600
FEWEST = 32  # of a kind; with fewer a share of one in a hundred cannot be measured
SPAN_WORDS = 5, 12
SEED = 7


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


def questions_for(segment: Segment, folder: Path, encode: Encode | None, log: FloatArray | None) -> Split:
    """Questions for one segment, whose files are in `folder`.

    `encode` turns texts into queries; without it there are no spans.  A log replaces rows and spans, but the router is
    trained on rows too.
    """
    rows = _row_questions(segment)
    reported = min(ROWS_REPORTED, len(rows.own) // 2)
    kept = rows.some(slice(reported, None)), rows.some(slice(reported))
    if log is not None and len(log) >= 2 * FEWEST:
        asked = Questions(LOG, unit_rows(log, log.shape[1]), np.full(len(log), -1, np.int64))
        half = len(log) // 2
        return Split((kept[0], asked.some(slice(half))), (asked.some(slice(half, None)),))
    spans = None if encode is None else _span_questions(segment, folder, encode)
    if spans is None:
        return Split((kept[0],), (kept[1],))
    half = len(spans.own) // 2
    return Split((kept[0], spans.some(slice(half))), (kept[1], spans.some(slice(half, None))))


def span(text: str, rng: np.random.Generator) -> str:
    """5 to 12 successive words, as typed by a user who remembers a part of the text."""
    words = text.split()
    count = int(rng.integers(SPAN_WORDS[0], SPAN_WORDS[1] + 1))
    start = int(rng.integers(0, max(1, len(words) - count + 1)))
    return " ".join(words[start : start + count])


def _row_questions(segment: Segment) -> Questions:
    at = spread(len(segment), ROW_QUESTIONS)
    at = np.random.default_rng(SEED).permutation(at)  # so that reported rows are from all lists
    return Questions(ROWS, unit_rows(segment.rows[at], segment.rows.shape[1]), at)


def _span_questions(segment: Segment, folder: Path, encode: Encode) -> Questions | None:
    """None where too few rows have texts."""
    column = pq.read_table(folder / PROVENANCE_COPY, columns=["text"])["text"]
    rng = np.random.default_rng(SEED)
    at = rng.permutation(spread(len(segment), SPAN_QUESTIONS))
    texts = column.take(at).to_pylist()
    chosen = [(place, text) for place, text in zip(at, texts, strict=True) if text and text.strip()]
    if len(chosen) < 2 * FEWEST:
        return None
    vectors = encode([span(text, rng) for _, text in chosen])
    return Questions(SPANS, unit_rows(vectors, vectors.shape[1]), np.array([place for place, _ in chosen], np.int64))
