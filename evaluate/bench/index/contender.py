"""What the index bench asks of a contender: ours and every peer are built, set and searched in the same way."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from embed.encoder import FloatArray
from index.contracts import IntArray

# How deep a search goes, in the contender's own terms (`ef`, lists, a promise): hashable, told by str().
Setting = Hashable


class Contender(Protocol):
    """An index over unit rows, searched by inner product."""

    @property
    def name(self) -> str: ...

    def build(self, rows: FloatArray) -> None:
        """Make the index of rows [n, D], with one thread."""

    def bytes_per_vector(self) -> float:
        """What must be in memory to answer, of the index built."""

    def use_threads(self, count: int) -> None:
        """Search batches with so many threads from now on; one after `build`."""

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        """Row numbers [q, k] of what was found, -1 where nothing was; one query goes the way of a single query."""


class Peer(Contender, Protocol):
    """A contender that must be tuned: nobody tells which setting gives which recall."""

    def ladders(self) -> list[list[Setting]]:
        """Settings of the index built, in one or several rows, each from cheap to dear and from poor to good."""


class Promising(Contender, Protocol):
    """A contender that is asked for a recall, and sees to it by itself."""

    def calibrate(self, queries: FloatArray) -> None:
        """Find out on these queries [q, D], as a user's index does."""

    def promised(self, recall: float) -> Setting:
        """The setting that promises this recall@10."""

    def rows_read(self, queries: FloatArray, setting: Setting) -> float:
        """Rows scanned for a query, in the mean."""

    def close(self) -> None:
        """Give back what it keeps on disk; it answers no more."""


@dataclass(frozen=True)
class Family:
    """One peer with what can be chosen at its building, each choice a contender of its own to be made by a call."""

    name: str
    package: str  # what must be importable
    variants: Sequence[Callable[[], Peer]]
    unusable: str | None = None  # why it cannot run on this machine

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here; None where it can."""
        return self.unusable if find_spec(self.package) else f"{self.package} is not installed"


def steps(first: int, last: int, factor: float = 1.1) -> list[int]:
    """Whole numbers from first to last, each about `factor` times the one before: fine enough to overshoot little."""
    found = [min(first, last)]
    while found[-1] < last:
        found.append(min(last, max(found[-1] + 1, round(found[-1] * factor))))
    return found
