"""Contract of the contenders of the index bench: ours and every peer are built, set and searched in the same way."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from embed.encoder import FloatArray
from index.contracts import IntArray

# The depth of a search, in the contender's own terms (`ef`, lists, a recall): hashable, printed with str().
Setting = Hashable


class Contender(Protocol):
    """An index over unit rows, searched by inner product."""

    @property
    def name(self) -> str: ...

    def build(self, rows: FloatArray) -> None:
        """Make the index of rows [n, D], with one thread."""

    def bytes_per_vector(self) -> float:
        """Memory that the built index needs to answer."""

    def use_threads(self, count: int) -> None:
        """Search batches with `count` threads from now on; after `build` it is one."""

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        """Row numbers [q, k] of the hits, -1 for empty places; one query uses the peer's call for single queries."""


class Peer(Contender, Protocol):
    """A contender that must be tuned: the recall of its settings is not known."""

    def ladders(self) -> list[list[Setting]]:
        """Settings of the built index, in one or several lists, each in order of rising cost and recall."""


class Promising(Contender, Protocol):
    """A contender that gets a recall and chooses the setting itself."""

    def calibrate(self, queries: FloatArray) -> None:
        """Measure its settings on these queries [q, D], as a user's index does."""

    def promised(self, recall: float) -> Setting:
        """The setting that promises this recall@10."""

    def rows_read(self, queries: FloatArray, setting: Setting) -> float:
        """Mean number of rows scanned for a query."""

    def close(self) -> None:
        """Delete its files; no search is possible afterwards."""


@dataclass(frozen=True)
class Family:
    """One peer with its possible builds; each is a function that makes a contender."""

    name: str
    package: str  # what must be importable
    variants: Sequence[Callable[[], Peer]]
    unusable: str | None = None  # why it cannot run on this machine

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here; None where it can."""
        return self.unusable if find_spec(self.package) else f"{self.package} is not installed"


def steps(first: int, last: int, factor: float = 1.1) -> list[int]:
    """Whole numbers from first to last, each about `factor` times the one before: a choice overshoots little."""
    found = [min(first, last)]
    while found[-1] < last:
        found.append(min(last, max(found[-1] + 1, round(found[-1] * factor))))
    return found
