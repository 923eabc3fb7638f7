"""Contracts of the index: the vectors that it is built from, the search request, the hits, the searcher."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.errors import SpecError

if TYPE_CHECKING:
    from index.filter import Where
    from index.ladder import Point, Setting

IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]  # [n], which rows may be hits
Modality = Literal["any", "speech", "text"]
Exclude = Sequence[Sequence[int] | IntArray]

NO_ID = -1


@dataclass(frozen=True)
class SearchRequest:
    """The request of one search, from Python, the command line or a service.

    k          how many hits for each query; may be larger than the index.
    modality   `speech` and `text` score by cosine.  `any` searches each by itself and merges them by calibrated scores,
               which are not cosines: see `index.calibration.blend`.
    dim        a declared width to rank at; None is the full width.
    recall     the share of the true best k to find, as measured at build time; 1.0 reads every row.
    budget_ms  instead of recall: the best setting that was measured to take no longer, per query and modality.
    where      only rows whose provenance matches may be hits: `index.filter.parse_where` reads one.
    exclude    for each query, ids that may not be among its hits.
    explain    whether the hits carry an `Explanation`.

    With neither recall nor budget_ms, the recall of the index's spec.
    Raises SpecError naming the field that no index could serve.

    >>> import deglu
    >>> deglu.SearchRequest(k=5, recall=0.999, where=deglu.parse_where("lang = 'wo' and start_s < 3600")).modality
    'any'
    """

    k: int = 10
    modality: Modality = "any"
    dim: int | None = None
    recall: float | None = None
    budget_ms: float | None = None
    where: "Where | None" = None
    exclude: Exclude | None = None
    explain: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SpecError(f"k = {self.k}: must be at least 1")
        if self.modality not in get_args(Modality):
            raise SpecError(f"modality {self.modality!r}: choose any, speech or text")
        if self.recall is not None and self.budget_ms is not None:
            raise SpecError("recall and budget_ms were both given; give only one of them")
        if self.recall is not None and not 0 < self.recall <= 1:
            raise SpecError(f"recall = {self.recall:g}: must be above 0 and at most 1, a share of the true best")
        if self.budget_ms is not None and not self.budget_ms > 0:
            raise SpecError(f"budget_ms = {self.budget_ms:g}: must be above 0")


@dataclass(frozen=True)
class Hits:
    """The hits of q queries: scores descend along each row; an empty place is -1 with score -inf."""

    ids: IntArray  # [q, k], row ordinals of the index version
    scores: FloatArray  # [q, k]
    explanation: "Explanation | None" = None  # where the request asks for one


class Searcher(Protocol):
    """Nearest rows by cosine."""

    def search(self, queries: FloatArray, request: SearchRequest) -> Hits:
        """Up to `request.k` rows for each of queries [q, D] float32, which need not have unit length.

        Raises SpecError for a width that is not declared; InputError for queries of another width, with NaN or zero
        rows, and for an `exclude` of another length.
        """

    def rows(self, ids: Sequence[int] | IntArray) -> pa.Table:
        """Provenance (`embed.tables.PROVENANCE`) of the ids, in their order.  Raises InputError for an unknown id."""


@dataclass(frozen=True)
class StageCost:
    """The cost of one stage of a search, over all queries of the call."""

    stage: str  # route | scan | rank | exact | all (every row, or every row that the filter keeps)
    modality: str
    dim: int
    rows: int  # rows read, summed over the queries
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Chosen:
    """The depth to which one modality was searched, and why."""

    modality: str
    setting: "Setting | None"  # None: every row that may be a hit
    measured: "Point | None"  # what the setting was measured to give, before it was widened for a filter or more hits
    why: str


@dataclass(frozen=True)
class Explanation:
    """The costs of one call, and the depth that was chosen for each modality."""

    queries: int
    stages: tuple[StageCost, ...]
    chosen: tuple[Chosen, ...]  # one for each modality that was searched

    @property
    def why(self) -> tuple[str, ...]:
        """A sentence for each modality."""
        return tuple(f"{one.modality}: {one.why}" for one in self.chosen)

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)


class VectorsInfo(Protocol):
    """Description of a vectors dataset."""

    @property
    def dims(self) -> tuple[int, ...]: ...
    @property
    def metric(self) -> str: ...
    @property
    def space(self) -> str: ...
    @property
    def rows(self) -> int: ...


class VectorsPart(Protocol):
    """Some of a dataset's rows, read by one task; pickles into workers."""

    @property
    def name(self) -> str:
        """The same for the same rows in every run; a valid file name."""

    @property
    def stored_rows(self) -> int:
        """Rows in its files, tombstoned ones included: at least as many as `batches` gives."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Its live rows, always in the same order; no batch is empty."""


class Vectors(Protocol):
    """One version of a vectors dataset; `embed.dataset.vectors` opens real ones."""

    @property
    def info(self) -> VectorsInfo: ...

    def parts(self) -> Sequence[VectorsPart]:
        """All rows, each in one part; the parts depend on the dataset's files, never on the readers."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Batches of `embed.tables.rows(D)`, always in the same order."""


class Progress(Protocol):
    """Progress of long work, task by task; the classes of `jobs.command.progress` show it."""

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        """A new task of `total` units."""

    def advance(self, units: float) -> None:
        """So many units more are done."""

    def note(self, text: str) -> None:
        """One line for the log."""

    def end(self) -> None:
        """The task is over, done or not."""
