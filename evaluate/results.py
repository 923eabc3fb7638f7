"""Results of an evaluation: intervals by dim, the systems of a task, the tasks of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they are made of intervals too
    from evaluate.intents.results import IntentResult
    from evaluate.robustness.results import TaskRobustness, UnseenSpeaker


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.2f}, {self.high:.2f}]"


ByDim = dict[int, dict[str, Interval]]
GAP, ANISOTROPY, HUBNESS = 0.5, 0.5, 2.0  # above these a report gives advice
Run = Mapping[str, Mapping[str, float]]  # query -> document -> score, in order
Qrels = Mapping[str, Mapping[str, int]]  # query -> document -> relevance


@dataclass(frozen=True)
class Width:
    """One width of a system's vectors."""

    bytes: int  # of a vector in float16
    energy: float  # share of the documents' variance that the prefix has
    effective_rank: float  # exp of the entropy of the documents' spectrum at this width
    overlap: float  # of the ten nearest documents at full width, the share that is among the ten here


@dataclass(frozen=True)
class Headroom:
    """A system at one width next to the others."""

    share: Interval | None  # of the ceiling's nDCG@10; None where the ceiling is not measured, or 0
    exceeds: str  # letters of the systems that it exceeds significantly, by their place in the first table


@dataclass(frozen=True)
class Coding:
    """A code of the documents' vectors at one size."""

    code: str
    bytes: int  # of a vector
    quality: Interval  # nDCG@10
    loss: Interval  # this - the full vectors, paired by query
    overlap: float  # of the ten nearest documents by the full vectors, the share that is among the ten here


@dataclass(frozen=True)
class ProjectorRank:
    """Late fusion with a projector of few ranks."""

    rank: int
    parameters: int  # of the projectors, as two factors
    by_dim: dict[int, Interval]  # nDCG@10
    loss: Interval  # this - the whole projector at the full width, paired by query


@dataclass(frozen=True)
class Health:
    """Measures of one width."""

    gap: float
    anisotropy: float
    hubness: float
    never: float  # share of documents that are nobody's neighbour

    @property
    def advice(self) -> list[str]:
        """What may be done, for each measure that is high."""
        found = []
        if self.gap > GAP:
            found.append("questions and documents lie apart: search each modality by itself (`modality: any` merges)")
        if self.anisotropy > ANISOTROPY:
            found.append("all vectors point one way: train with `encoder.transform: true`, which centres them")
        if self.hubness > HUBNESS:
            found.append("a few documents answer everything: remove near-empty texts and repeats, or add pairs")
        return found


@dataclass(frozen=True)
class WidthCost:
    """What one width costs."""

    bytes: int  # of a vector in float16
    index_bytes: int  # of the task's documents
    search_s: float  # CPU seconds of an exact search for a question
    price_million_queries: float  # encoding and search
    price_index_month: float  # in memory


@dataclass(frozen=True)
class Cost:
    """What a system costs; seconds are CPU seconds of the machine that measured them."""

    parameters: int  # weights of the modules that run
    query_macs: float
    query_s: float  # encoding of a question
    hour_macs: float | None  # of an hour of recordings; None where nothing is spoken
    hour_s: float | None
    price_thousand_hours: float | None
    widths: dict[int, WidthCost]
    currency: str


@dataclass(frozen=True)
class System:
    """Results of one system at each dim: {dim: {measure: interval}}."""

    name: str
    by_dim: ByDim
    difference: ByDim = field(default_factory=dict)  # this - the task's baseline, paired by query; {} for the baseline
    loss: ByDim = field(default_factory=dict)  # each narrower width - the full one, paired by query
    headroom: dict[int, Headroom] = field(default_factory=dict)
    widths: dict[int, Width] = field(default_factory=dict)  # {} for independent heads
    health: Health | None = None  # at the full dim
    run: Run = field(default_factory=dict)  # the first documents at the full dim; {} without ids
    codings: tuple[Coding, ...] = ()
    ranks: tuple[ProjectorRank, ...] = ()  # of late fusion
    cost: Cost | None = None
    ndcg: Mapping[int, tuple[float, ...]] = field(default_factory=dict)  # by dim, nDCG@10 of each query in order

    @property
    def full_dim(self) -> int:
        return max(self.by_dim)

    def smallest(self, measure: str, within: float = 0.01) -> int:
        """The smallest dim whose mean is at most this share below that of the full dim."""
        least = (1 - within) * self.by_dim[self.full_dim][measure].mean
        return min(dim for dim, cells in self.by_dim.items() if cells[measure].mean >= least)


@dataclass(frozen=True)
class Example:
    """A question of the first system, with the rank of its first right answer, that answer, and what came first."""

    question: str
    rank: int | None  # None: beyond the run's depth
    right: str
    first: str
    sound: bytes = b""  # the question as Ogg Vorbis, where it may be played


@dataclass(frozen=True)
class Task:
    """Results of the questions to one collection."""

    name: str
    queries: int
    documents: int
    chance: dict[str, float]  # measure -> expected value of a random ranking
    systems: tuple[System, ...]
    baseline: str | None = None  # the system that `difference` subtracts
    qrels: Qrels = field(default_factory=dict)  # {} without ids
    examples: tuple[Example, ...] = ()  # found first, then missed


@dataclass(frozen=True)
class Report:
    """All tasks, and the data that is required to repeat them: model, date, machine..."""

    tasks: tuple[Task, ...]
    about: dict[str, str] = field(default_factory=dict)
    intents: "tuple[IntentResult, ...]" = ()
    robustness: "tuple[TaskRobustness, ...]" = ()
    unseen: "tuple[UnseenSpeaker, ...]" = ()
