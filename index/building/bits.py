"""Width and bits of the codes, chosen by trial on the archive's own rows.

Fewer bits are scanned faster and need a longer shortlist; which of the two costs more depends on the rows.  So each
shape codes a part of the sample, other rows of the sample are the queries, and the trial finds the shortlist that
contains their ten nearest rows.  The cost of a shape is computed from that and from constants, never from a clock: the
same rows give the same index on every machine.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from index.building.choose import CODES_PER_BYTE, Plan, bytes_per_row
from index.calibration.truth import true_nearest
from index.contracts import NO_ID, IntArray
from index.faiss_library import single_thread
from index.neighbours import unit_rows
from index.rungs.coder import Coder, train_coder
from index.rungs.cost import CANDIDATE, SCAN_BYTE, SCAN_ROW
from index.spec import CODE_BITS, IndexSpec

LEAST_SAMPLE = 5_000  # fewer rows are not representative
MOST_TRIALS = 6
CODED, QUESTIONS = 12_000, 400
LISTS = 32  # as many rows a list as 100,000 rows in 256
NEAREST, SHARE = 10, 0.992  # of the ten nearest, in the shortlist: ranking loses a little more, and the promise is 0.99
DEEPEST = 2_048  # the last place at which a true row is looked for
MOST_SHORTLIST = 512  # a shape that needs more is too coarse: calibration measures no longer shortlists
# Questions are harder than rows as queries.  Shortlists at 12,000 rows, for rows and for short spans of texts: 27 and
# 34 for 2 bits a dim, 44 and 61 for 1.33 bits, 72 and 112 for 1 bit, 363 and 577 for 0.5 bits.
HARDER = 1.5
PARTS = 4  # the shortlist for a quarter of the rows is measured on each quarter

# Share of the rows that is read for a recall of 0.99.  The nearest lists contain 0.992 of the ten nearest with 31 % of
# 12,500 transformer rows, 31 % of 25,000, 26 % of 50,000, 28 % of 100,000: nearly constant, and a router reads fewer.
READ = 0.25
# Of shapes that cost about the same, the one with the shortest shortlist: it has the most reserve for a higher recall.
SAME_COST = 1.05


@dataclass(frozen=True)
class CodeShape:
    """The first `dim` dims of each row, in `subspaces` codes of 4 bits."""

    dim: int
    subspaces: int

    def __str__(self) -> str:
        bits = f"{4 * self.subspaces / self.dim:.3g}"
        return f"{bits} bit{'s' * (bits != '1')} x {self.dim} dims"


@dataclass(frozen=True)
class Trial:
    """The shortlist and the cost that a shape needs."""

    shape: CodeShape
    shortlist: int  # to hold 0.992 of a question's ten nearest, at the size of the whole archive
    cost: float  # nanoseconds a question, for scan and shortlist

    @property
    def keeps(self) -> bool:
        return self.shortlist <= MOST_SHORTLIST


def code_for(
    sample: NDArray[np.float16], rows: int, dims: Sequence[int], spec: IndexSpec, plan: Plan, ceiling: int | None = None
) -> tuple[CodeShape, str | None]:
    """The shape of the codes for one modality, and a report of the trials.

    The shape is the plan's and the report None where the spec sets the codes, where the sample is small, and where
    fewer than two shapes fit the ceiling (bytes in memory, for the codes and 8-bit rows).
    """
    fitting = [
        shape
        for shape in shapes(dims)
        if ceiling is None or rows * bytes_per_row(max(dims), shape.subspaces) <= ceiling
    ]
    given = spec.code_bits is not None or spec.code_dim is not None
    if given or len(sample) < LEAST_SAMPLE or len(fitting) < 2:
        return CodeShape(plan.code_dim, plan.subspaces), None
    best, trials = best_code(sample, rows, fitting)
    tried = ", ".join(f"{trial.shape}: {trial.cost / 1e3:.0f} us, shortlist {trial.shortlist}" for trial in trials)
    return best, f"codes: {best}; tried {tried}"


def shapes(dims: Sequence[int]) -> tuple[CodeShape, ...]:
    """The shapes worth a trial for rows of declared `dims`, the full width first: at most six.

    Codes narrower than half the width lose more than they save: it is better to spend fewer bits on each dim.
    """
    found = [
        CodeShape(dim, dim // per_code)
        for dim in sorted(dims, reverse=True)
        for per_code in sorted(CODE_BITS.values())
        if 2 * dim >= max(dims) and dim % per_code == 0
    ]
    return tuple(found[:MOST_TRIALS])


def best_code(
    sample: NDArray[np.float16], rows: int, candidates: Sequence[CodeShape]
) -> tuple[CodeShape, tuple[Trial, ...]]:
    """The cheapest of the candidates for an archive of `rows` rows, and all trials in their order.

    sample [n, D]: more than a few hundred rows of the archive, in random order.
    Where no shape keeps the ten nearest in a shortlist, the one that comes closest.
    """
    coded = sample[: min(CODED, len(sample) - QUESTIONS)]
    asked = sample[len(coded) : len(coded) + QUESTIONS].astype(np.float32)
    with single_thread():
        whole = _Part.of(asked, coded, 0, len(coded))
        bounds = [len(coded) * part // PARTS for part in range(PARTS + 1)]
        parts = [_Part.of(asked, coded, *pair) for pair in pairwise(bounds)]
        trials = tuple(_tried(shape, coded, asked, whole, parts, rows) for shape in candidates)
    return decided(trials).shape, trials


def decided(trials: Sequence[Trial]) -> Trial:
    """The cheapest that keeps the ten nearest; the one that comes closest where none does."""
    keeping = [trial for trial in trials if trial.keeps]
    least = min((trial.cost for trial in keeping), default=0.0)
    near = [trial for trial in keeping if trial.cost <= SAME_COST * least] or trials
    return min(near, key=lambda trial: (trial.shortlist, trial.cost))


def cost(shape: CodeShape, shortlist: int, rows: int) -> float:
    """Nanoseconds a question."""
    return rows * READ * (SCAN_ROW + SCAN_BYTE * shape.subspaces / CODES_PER_BYTE) + shortlist * CANDIDATE


@dataclass(frozen=True)
class _Part:
    """Coded rows first..last-1 as a set of their own."""

    first: int
    last: int
    true: IntArray  # [q, 10] positions among all coded rows

    @classmethod
    def of(cls, asked: FloatArray, coded: NDArray[Any], first: int, last: int) -> "_Part":
        own = np.full(len(asked), NO_ID)
        hits = true_nearest(asked, coded[first:last], NEAREST, coded.shape[1], own)
        return cls(first, last, hits.ids + first)

    def ranks(self, found: IntArray, total: int) -> IntArray:
        """Number of rows of the part before each true row in a scan [q, c]; DEEPEST where the scan misses it."""
        inside = (found >= self.first) & (found < self.last)
        place = np.full((len(found), total), DEEPEST, np.int32)
        np.put_along_axis(place, found, np.where(inside, inside.cumsum(axis=1) - 1, DEEPEST).astype(np.int32), axis=1)
        ranks: IntArray = np.take_along_axis(place, self.true, axis=1).astype(np.int64)
        return ranks


def _tried(
    shape: CodeShape, coded: NDArray[Any], asked: FloatArray, whole: _Part, parts: Sequence[_Part], rows: int
) -> Trial:
    coder = train_coder(coded, LISTS, shape.dim, shape.subspaces)
    found = _scan(coder, coded, asked)
    large = _holding(whole.ranks(found, len(coded)))
    small = _holding(np.concatenate([part.ranks(found, len(coded)) for part in parts]))
    shortlist = math.ceil(HARDER * _grown(small, large, rows / len(coded)))
    return Trial(shape, shortlist, cost(shape, shortlist, rows))


def _scan(coder: Coder, coded: NDArray[Any], asked: FloatArray) -> IntArray:
    """Positions [q, c] among the coded rows of all lists, best code first."""
    lists = coder.lists_of(coded)
    order = np.argsort(lists, kind="stable")
    codes = coder.codes([coded[order]], lists[order])
    codes.nprobe = coder.lists
    queries = np.ascontiguousarray(unit_rows(asked, len(coder.order))[:, coder.order])
    found = codes.search(queries, min(DEEPEST, len(coded)))[1]
    positions: IntArray = order[found]
    return positions


def _holding(ranks: IntArray) -> int:
    """The length of a shortlist that contains SHARE of the true rows with these ranks."""
    return int(np.sort(ranks, axis=None)[math.ceil(SHARE * ranks.size) - 1]) + 1


def _grown(small: int, large: int, times: float) -> float:
    """The shortlist for `times` as many rows.

    It grows with the logarithm of the rows.  Measured on transformer vectors of width 384, from 3,000 and 12,000 rows
    to 100,000: 1 bit a dim 112 predicted, 113 needed; 1.33 bits 71 and 70; 2 bits 35 and 29; 0.5 bits 771 and 923.
    """
    slope = max(0, large - small) / math.log(PARTS)
    return large + slope * math.log(max(times, 1.0))
