"""Gates and goals of the released model on recorded speech: the values that it must and should reach."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluate.measures.names import NDCG
from evaluate.results import Interval, System, Task

# Languages that are in no training, to measure a language that the model has never seen.
NEVER_TRAINED = ("ca", "da")
TRAINED = ("fr", "es", "be", "bg", "el")
UNKNOWN_TO_RECOGNITION = ("bg", "el", "be")
# Task without its part -> gate, goal of nDCG@10 at full width.
LATE_FUSION = {
    "tuxpaint fr->en": (0.36, 0.50),
    "tuxpaint es->en": (0.34, 0.48),
    "asterisk fr->en": (0.44, 0.62),
    "tuxpaint bg->en": (0.21, 0.31),
    "tuxpaint el->en": (0.20, 0.32),
    "tuxpaint be->en": (0.18, 0.32),
}
HYBRID = {"tuxpaint fr->en": (0.56, 0.64)}
# Dim -> gate, goal of the share of its own full width.
KEPT = {128: (0.90, 0.97), 64: (0.70, 0.90)}
KEPT_ON = ("tuxpaint fr->en", "asterisk en->fr")


@dataclass(frozen=True)
class Goal:
    """One value with its gate and goal; `low` and `high` are its 95 % interval, where it has one."""

    what: str
    measured: float
    gate: float | None
    goal: float | None
    low: float | None = None
    high: float | None = None

    @property
    def passed(self) -> bool:
        return self.gate is None or self.measured >= self.gate

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.measured >= self.goal


def goals_of(tasks: Mapping[str, Task]) -> list[Goal]:
    """Goals of the tasks, by name without the part; those that were not measured are left out."""
    return [*_levels(tasks), *_kept(tasks), *_against_cascade(tasks), *_never_trained(tasks)]


def _levels(tasks: Mapping[str, Task]) -> Iterator[Goal]:
    for system, levels in (("late-fusion", LATE_FUSION), ("hybrid", HYBRID)):
        for name, (gate, goal) in levels.items():
            if (found := _at(tasks, name, system)) is not None:
                yield Goal(f"{name}, {system}", found.mean, gate, goal, found.low, found.high)


def _kept(tasks: Mapping[str, Task]) -> Iterator[Goal]:
    for dim, (gate, goal) in KEPT.items():
        for name in KEPT_ON:
            whole, cut = _at(tasks, name, "late-fusion"), _at(tasks, name, "late-fusion", dim)
            if whole is not None and cut is not None and whole.mean > 0:
                yield Goal(f"{name}, {dim} dims of full width", cut.mean / whole.mean, gate, goal)


def _against_cascade(tasks: Mapping[str, Task]) -> Iterator[Goal]:
    """Goals on the differences to the cascade, the baseline of the tasks."""
    above = [
        difference.mean > 0
        for lang in UNKNOWN_TO_RECOGNITION
        if (difference := _difference(tasks, f"tuxpaint {lang}->en", "late-fusion")) is not None
    ]
    if above:
        yield Goal("languages of bg, el, be in which late fusion is above the cascade", sum(above), None, 2)
    below = [
        difference.high < 0
        for name in tasks
        if "typed" not in name and (difference := _difference(tasks, name, "hybrid")) is not None
    ]
    if below:
        share = 1 - sum(below) / len(below)
        yield Goal("tasks in which the hybrid is not significantly below the cascade, share", share, None, 1.0)


def _never_trained(tasks: Mapping[str, Task]) -> Iterator[Goal]:
    known = [one.mean for lang in TRAINED if (one := _at(tasks, f"tuxpaint {lang}->en", "late-fusion")) is not None]
    for lang in NEVER_TRAINED:
        found = _at(tasks, f"tuxpaint {lang}->en", "late-fusion")
        if found is not None and known:
            share = found.mean / (sum(known) / len(known))
            yield Goal(f"tuxpaint {lang}->en, never trained on, of the mean of trained languages", share, None, 0.6)


def _at(tasks: Mapping[str, Task], name: str, system: str, dim: int | None = None) -> Interval | None:
    found = _system(tasks, name, system)
    return found.by_dim[dim or found.full_dim][NDCG] if found is not None else None


def _difference(tasks: Mapping[str, Task], name: str, system: str) -> Interval | None:
    found = _system(tasks, name, system)
    return found.difference[found.full_dim][NDCG] if found is not None and found.difference else None


def _system(tasks: Mapping[str, Task], name: str, system: str) -> System | None:
    task = tasks.get(name)
    return next((one for one in task.systems if one.name == system), None) if task is not None else None
