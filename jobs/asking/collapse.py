"""Collapse of answers that are one sound: a spot that was broadcast 300 times is one answer, with its count.

What repeats what is read from the dataset that the index was made of, as `deglu repeats` has found it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from shlex import quote

import pyarrow as pa

from embed.errors import InputError
from embed.repeats.table import read_repeats
from embed.tables import SPEECH
from index.ask.answers import Answer, Answers, answers_of
from index.ask.searcher import Index
from index.contracts import SearchRequest

MOST = 4_096  # hits that are read to find k that differ
COVERED = 0.5  # of an answer, for it to be part of a repeat; of the shorter of two, for both to be one sound


@dataclass(frozen=True)
class Place:
    """A stretch of a recording: where a sound was broadcast first."""

    uri: str
    start_s: float
    end_s: float

    def overlap_s(self, other: "Place") -> float:
        if self.uri != other.uri:
            return 0.0
        return max(min(self.end_s, other.end_s) - max(self.start_s, other.start_s), 0.0)

    def is_same(self, other: "Place") -> bool:
        shorter = min(self.end_s - self.start_s, other.end_s - other.start_s)
        return self.overlap_s(other) > 0 and self.overlap_s(other) >= COVERED * shorter


class Broadcasts:
    """The repeats of an archive."""

    def __init__(self, rows: pa.Table) -> None:
        self._repeats: dict[str, list[tuple[Place, Place]]] = defaultdict(list)  # by uri: itself, and the first
        self._firsts: dict[str, list[Place]] = defaultdict(list)
        for row in rows.to_pylist():
            here = Place(row["uri"], row["start_s"], row["end_s"])
            length_s = (here.end_s - here.start_s) * row["speed"]
            first = Place(row["of_uri"], row["of_start_s"], row["of_start_s"] + length_s)
            self._repeats[here.uri].append((here, first))
            self._firsts[first.uri].append(first)

    def first(self, answer: Answer) -> Place | None:
        """Where the answer's sound was broadcast first; None for text."""
        if answer.modality != SPEECH or answer.start_s is None or answer.end_s is None:
            return None
        own = Place(answer.uri, answer.start_s, answer.end_s)
        found = max(self._repeats.get(own.uri, ()), key=lambda pair: pair[0].overlap_s(own), default=None)
        if found is None or found[0].overlap_s(own) < COVERED * (own.end_s - own.start_s):
            return own
        here, first = found
        shift_s = first.start_s - here.start_s
        return Place(first.uri, own.start_s + shift_s, own.end_s + shift_s)

    def count(self, place: Place) -> int:
        """How often a first broadcast was repeated."""
        return sum(place.is_same(first) for first in self._firsts.get(place.uri, ()))

    def collapsed(self, answers: Sequence[Answer], k: int) -> list[tuple[Answer, int]]:
        """The best k answers that differ, each with the number of its other broadcasts."""
        kept: list[tuple[Answer, Place | None]] = []
        for answer in answers:
            place = self.first(answer)
            if place is None or not any(other is not None and place.is_same(other) for _, other in kept):
                kept.append((answer, place))
        return [
            (replace(answer, rank=rank), self.count(place) if place else 0)
            for rank, (answer, place) in enumerate(kept[:k], start=1)
        ]


def broadcasts_of(dataset: str) -> Broadcasts:
    """The repeats of a dataset.  Raises InputError where they were never looked for, or the dataset is gone."""
    rows = read_repeats(dataset)
    if rows is None:
        raise InputError(
            f"--collapse: {dataset} has no table of repeats; leave the option out, or make the table with: "
            f"deglu repeats {quote(dataset)}"
        )
    return Broadcasts(rows)


def collapse(
    index: Index, found: Answers, request: SearchRequest, broadcasts: Broadcasts
) -> list[list[tuple[Answer, int]]]:
    """For each question up to `request.k` answers that differ; more hits are read where some are repeats."""
    lists, k = found.lists, request.k
    while True:
        collapsed = [broadcasts.collapsed(answers, request.k) for answers in lists]
        short = any(len(some) < request.k and len(answers) >= k for some, answers in zip(collapsed, lists, strict=True))
        if not short or k >= MOST:
            return collapsed
        k *= 4
        lists = answers_of(index, index.search(found.vectors, replace(request, k=k, explain=False)))
