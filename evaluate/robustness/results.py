"""Results of robustness: nDCG@10 at each level of a change, the difference to the unchanged, and the area."""

from dataclasses import dataclass

from evaluate.results import Interval


@dataclass(frozen=True)
class Point:
    """nDCG@10 at one level, and this minus that of the unchanged recordings, paired by query."""

    level: float
    ndcg: Interval
    difference: Interval


@dataclass(frozen=True)
class Curve:
    """A change of one system at one dim; points from mild to severe.

    `area` is the mean of nDCG@10 over the range of levels (trapezoids), with the unchanged where it has a place.
    """

    change: str
    system: str
    dim: int
    points: tuple[Point, ...]
    area: Interval
    kept: float  # area / nDCG@10 of the unchanged; 0 where that is 0


@dataclass(frozen=True)
class TaskRobustness:
    """All curves of a task, with nDCG@10 of the unchanged recordings by system and dim."""

    name: str
    queries: int
    unchanged: dict[tuple[str, int], Interval]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpeakerScore:
    """nDCG@10 of the same prompts: by the known speaker, by the same over GSM, by the unseen one over a telephone."""

    system: str
    dim: int
    known: Interval
    known_gsm: Interval
    unseen: Interval
    difference: Interval  # unseen - known, paired by prompt
    difference_gsm: Interval  # unseen - known over GSM


@dataclass(frozen=True)
class UnseenSpeaker:
    name: str
    queries: int
    documents: int
    scores: tuple[SpeakerScore, ...]
