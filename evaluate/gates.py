"""Gate of an evaluation: an expression that the mean of a task must satisfy, read with errors that name the place.

    ndcg@10[asterisk test fr->en] >= 0.44
    recall@10[asterisk test fr->en, dim=64, system=hybrid] >= 0.2

The system is late-fusion where none is named, the width the full one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator

from evaluate.measures.names import measure_name
from evaluate.systems import SYSTEMS

EXAMPLE = "ndcg@10[asterisk test fr->en, dim=64, system=hybrid] >= 0.2"
DEFAULT = "late-fusion"
_OPTION = re.compile(r"\s*(\w+)\s*=\s*([^,=]*?)\s*")


@dataclass(frozen=True)
class Gate:
    """The mean over queries that a system must reach in a task, not the interval's low end."""

    text: str
    measure: str  # as ir-measures spells it
    task: str
    at_least: float
    system: str = DEFAULT
    dim: int | None = None  # None: the full width


def read_gate(text: str) -> Gate:
    """The gate that an expression states.  Raises ValueError that names the place in it and the cure."""
    opened, closed = text.find("["), text.rfind("]")
    if opened < 0 or closed < opened:
        _fail(text, len(text), f"{'[' if opened < 0 else ']'} is missing; write it as {EXAMPLE}")
    try:
        measure = measure_name(text[:opened])
    except ValueError as error:
        _fail(text, 0, str(error))
    task, options = _inside(text, opened + 1, closed)
    return Gate(text, measure, task, _least(text, closed + 1), **options)


def _inside(text: str, start: int, end: int) -> tuple[str, dict[str, Any]]:
    """The task, and the options after it; a task's own name may have commas."""
    options: dict[str, Any] = {}
    while (comma := text.rfind(",", start, end)) >= 0 and (found := _OPTION.fullmatch(text, comma + 1, end)):
        name, value = found.groups()
        if name not in ("dim", "system") or name in options:
            why = "is given twice; remove one" if name in options else "is no option; give dim or system"
            _fail(text, found.start(1), f"{name!r} {why}")
        if name == "dim" and not re.fullmatch(r"[1-9]\d*", value):
            _fail(text, found.start(2), f"dim is {value!r}; give a width of the vectors, e.g. 64")
        if name == "system" and value not in SYSTEMS:
            _fail(text, found.start(2), f"no system is called {value!r}; give one of {', '.join(SYSTEMS)}")
        options[name], end = int(value) if name == "dim" else value, comma
    task = text[start:end].strip().replace("→", "->")
    if not task:
        _fail(text, start, "the task is missing; give its name in reports, e.g. asterisk test fr->en")
    return task, options


def _least(text: str, start: int) -> float:
    found = re.compile(r"\s*(>=)?\s*(\S*)\s*").match(text, start)
    assert found is not None
    if found[1] is None or found.end() < len(text):
        _fail(text, start if found[1] is None else found.end(), "write >= and one number after the bracket")
    try:
        least = float(found[2])
    except ValueError:
        _fail(text, found.start(2), f"{found[2]!r} is no number; give one from 0 to 1")
    if not 0 <= least <= 1:
        _fail(text, found.start(2), f"{found[2]} is not from 0 to 1; measures are shares")
    return least


def _fail(text: str, place: int, why: str) -> NoReturn:
    at = "at its end" if place >= len(text) else f"at character {place + 1}, {text[place : place + 12].strip()!r}"
    raise ValueError(f"{at}: {why}")


def _no_mapping(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "task" not in value:
        raise ValueError(f"a gate is an expression; write {EXAMPLE}")
    given = {name: value.get(name) for name in ("dim", "system")}
    options = "".join(f", {name}={one}" for name, one in given.items() if one is not None)
    task, least = value.get("task", "asterisk test fr->en"), value.get("at_least", 0.2)
    raise ValueError(
        f"a gate is an expression; write '{value.get('measure', 'recall@10')}[{task}{options}] >= {least}'"
    )


def _readable(text: str) -> str:
    read_gate(text)
    return text


GateText = Annotated[str, BeforeValidator(_no_mapping), AfterValidator(_readable)]
