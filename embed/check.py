"""Checks of a verification, of a dataset or an index: the figures that were checked, and each problem found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from embed.errors import InputError


@dataclass(frozen=True)
class Problem:
    """One fault, with the unit that it is in where there is one."""

    what: str
    unit: bytes | None = None
    uri: str | None = None
    modality: str | None = None
    start: int | None = None  # of the unit, as in UNITS
    end: int | None = None


@dataclass(frozen=True)
class Check:
    """One kind of check: the figures that were checked, and the problems found."""

    name: str
    figures: str
    problems: tuple[Problem, ...] = ()


def tried(
    name: str, check: Callable[[], Check], unreadable: tuple[type[Exception], ...] = (InputError,), cure: str = ""
) -> Check:
    """The check's result; a problem where it raises one of `unreadable`, since it cannot read its data."""
    try:
        return check()
    except unreadable as error:
        reason = str(error).strip().partition("\n")[0]
        return Check(name, "not checked", (Problem(reason + cure),))


def problems_of(lines: Iterable[str]) -> tuple[Problem, ...]:
    """Problems that concern no unit, one a line."""
    return tuple(Problem(line) for line in lines)
