"""Results of intents: F1 by system, method, number of examples and dim."""

from dataclasses import dataclass

from evaluate.results import Interval


@dataclass(frozen=True)
class IntentScore:
    """One cell; `shots` is 0 for zero-shot."""

    system: str
    method: str
    shots: int
    dim: int
    macro: Interval
    weighted: Interval


@dataclass(frozen=True)
class IntentResult:
    """All cells of one measurement, and what it was made of."""

    name: str
    labels: int
    pool: int  # requests that examples are drawn from
    test: int
    draws: int
    scores: tuple[IntentScore, ...]
    notes: tuple[str, ...] = ()  # licence, voices, labels left out

    @property
    def full_dim(self) -> int:
        return max(one.dim for one in self.scores)

    def fewest(self, system: str, method: str, reached: float, dim: int) -> int | None:
        """The fewest shots whose mean macro F1 is `reached`; None where none is."""
        found = [
            one.shots
            for one in self.scores
            if (one.system, one.method, one.dim) == (system, method, dim) and one.macro.mean >= reached
        ]
        return min(found, default=None)
