"""What the rooms around the index rely on: the vectors it is built from, the hits it gives, the search it promises."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.encoder import FloatArray

IntArray = NDArray[np.int64]
Modality = Literal["any", "speech", "text"]
Exclude = Sequence[Sequence[int] | IntArray]

NO_ID = -1


@dataclass(frozen=True)
class Hits:
    """The answers to q queries: scores descend along each row; an empty place is -1 with score -inf."""

    ids: IntArray  # [q, k], row ordinals of the index version
    scores: FloatArray  # [q, k]


class Searcher(Protocol):
    """Nearest rows by cosine."""

    def search(
        self,
        queries: FloatArray,
        k: int,
        *,
        modality: Modality = "any",
        dim: int | None = None,
        depth: int | None = None,
        exclude: Exclude | None = None,
    ) -> Hits:
        """Up to k rows for each of queries [q, D] float32, which need not have unit length.

        modality  `speech` and `text` score by cosine.  `any` searches each by itself and merges them by calibrated
                  scores, which are not cosines: see `index.calibrate`.
        dim       a declared width to rank at; None is the full one.
        depth     candidates that the shortlist hands to the ranking, per query and modality; None is the index's own.
        exclude   for each query, ids that may not be among its hits.

        k may be larger than the index.  Raises InputError for queries of another width, or with NaN or zero rows.
        """

    def rows(self, ids: Sequence[int] | IntArray) -> pa.Table:
        """Provenance (`embed.tables.PROVENANCE`) of the ids, in their order.  Raises InputError for an unknown id."""


@dataclass(frozen=True)
class StageCost:
    """What one stage of a search did, over all queries of the call."""

    stage: str  # shortlist | rank | scan
    modality: str
    dim: int
    rows: int  # rows read, counted once per query
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Explanation:
    """Where the time of one call went."""

    queries: int
    depth: int
    stages: tuple[StageCost, ...]

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)


class VectorsInfo(Protocol):
    """What a vectors dataset says about itself."""

    @property
    def dims(self) -> tuple[int, ...]: ...
    @property
    def metric(self) -> str: ...
    @property
    def space(self) -> str: ...
    @property
    def rows(self) -> int: ...


class Vectors(Protocol):
    """One version of a vectors dataset; `embed.dataset` opens real ones."""

    @property
    def info(self) -> VectorsInfo: ...

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Batches of `embed.tables.rows(D)`, in one order every time."""
