"""Counts of an audit: the recalls that questions found, by the recall promised, number of hits, filtered or not."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from index.audit.bounds import lower_bound, mean, upper_bound

ERROR = 0.05
DIGITS = 3  # of a recall: fine enough for any number of hits, and at most 1,001 numbers to keep
HITS = ((1, "1"), (10, "2-10"), (100, "11-100"))
MORE_HITS = "over 100"
NUMBERS = ("asked", "audited", "exact", "dropped", "failed")


class Kind(NamedTuple):
    """Questions whose recalls are counted together."""

    promised: float
    hits: str  # a range of k
    filtered: bool


@dataclass
class Counts:
    """What one process found, or several together."""

    asked: int = 0  # questions with a promise
    exact: int = 0  # sampled, and every row that may be a hit was read at once: nothing can be missing
    dropped: int = 0  # sampled, but too many waited, or the index was closed
    failed: int = 0  # sampled, but the rows could not be read again
    shares: dict[Kind, Counter[float]] = field(default_factory=dict)  # questions by the recall that they found

    @property
    def audited(self) -> int:
        return sum(counts.total() for counts in self.shares.values())

    def add(self, kind: Kind, share: float) -> None:
        self.shares.setdefault(kind, Counter())[round(share, DIGITS)] += 1

    def document(self) -> dict[str, Any]:
        """As JSON values; `parsed` reads them."""
        kinds = [
            {**kind._asdict(), "shares": {str(share): count for share, count in sorted(shares.items())}}
            for kind, shares in sorted(self.shares.items())
        ]
        return {**{name: getattr(self, name) for name in NUMBERS}, "kinds": kinds}


@dataclass(frozen=True)
class Found:
    """The recall found where one was promised, with its bounds."""

    promised: float
    hits: str | None  # None: all kinds of this promise
    filtered: bool | None
    questions: int
    recall: float
    low: float  # the mean recall is at least this, and at most `high`, each with 95 % certainty
    high: float

    @property
    def broken(self) -> bool:
        return self.high < self.promised

    @property
    def kind(self) -> str:
        """Which questions of the promise, for people; empty for all."""
        if self.hits is None:
            return ""
        return f"{self.hits} {'hit' if self.hits == '1' else 'hits'}, {'with' if self.filtered else 'without'} a filter"


def range_of(k: int) -> str:
    """The range of numbers of hits that k is counted in."""
    return next((name for most, name in HITS if k <= most), MORE_HITS)


def parsed(values: Mapping[str, Any]) -> Counts:
    """Counts of a document.  Raises ValueError, KeyError, TypeError or AttributeError for another document."""
    shares = {
        Kind(float(one["promised"]), str(one["hits"]), bool(one["filtered"])): Counter(
            {_share(share): _count(count) for share, count in one["shares"].items()}
        )
        for one in values["kinds"]
    }
    asked, exact, dropped, failed = (_count(values[name]) for name in NUMBERS if name != "audited")
    return Counts(asked, exact, dropped, failed, shares)


def together(some: Iterable[Counts]) -> Counts:
    """Sum of counts."""
    whole = Counts()
    for one in some:
        for name in NUMBERS:
            if name != "audited":
                setattr(whole, name, getattr(whole, name) + getattr(one, name))
        for kind, shares in one.shares.items():
            whole.shares.setdefault(kind, Counter()).update(shares)
    return whole


def found(counts: Counts) -> list[Found]:
    """By promise: all of its questions, then each kind where there are several.

    All rows of a promise share the error of 5 %: an index that keeps it shows one of them broken in at most one of 20
    cases, however often one looks.
    """
    rows = []
    for promised in sorted({kind.promised for kind in counts.shares}):
        kinds = sorted(kind for kind in counts.shares if kind.promised == promised)
        error = ERROR / (len(kinds) + 1 if len(kinds) > 1 else 1)
        every: Counter[float] = sum((counts.shares[kind] for kind in kinds), Counter())
        rows.append(_found(promised, None, None, every, error))
        if len(kinds) > 1:
            rows += [_found(promised, kind.hits, kind.filtered, counts.shares[kind], error) for kind in kinds]
    return rows


def _found(promised: float, hits: str | None, filtered: bool | None, shares: Counter[float], error: float) -> Found:
    low, high = lower_bound(shares, error), upper_bound(shares, error)
    return Found(promised, hits, filtered, shares.total(), mean(shares), low, high)


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _share(value: str) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{value} is no share")
    return share
