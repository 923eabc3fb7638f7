"""`--where field=value`: which failures are meant; `deglu failures` shows them, `deglu retry` embeds them again."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from embed.errors import SpecError

FIELDS = ("error_class", "stage", "uri", "message")


def parse(where: Iterable[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a row of FAILURES is meant: every field that is named must fit, by one of its values.

    `*` stands for any part of a value, the empty one included; all else stands for itself, brackets too, since
    archives have them in their names.  Nothing given means every row.  Raises SpecError for an unknown field.
    """
    wanted: dict[str, list[re.Pattern[str]]] = {}
    for condition in where:
        field, value = _parts(condition)
        wanted.setdefault(field, []).append(_pattern(value))
    return lambda row: all(
        any(pattern.fullmatch(str(row[field])) for pattern in patterns) for field, patterns in wanted.items()
    )


def _parts(condition: str) -> tuple[str, str]:
    field, sign, value = condition.partition("=")
    if not sign:
        raise SpecError(f"--where {condition}: write it as field=value; the fields are {', '.join(FIELDS)}")
    if field not in FIELDS:
        raise SpecError(f"--where {condition}: unknown field {field!r}; the fields are {', '.join(FIELDS)}")
    return field, value


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in value.split("*")), re.DOTALL)
