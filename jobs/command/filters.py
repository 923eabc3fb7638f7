"""Filters of the command line: `--where` takes one SQL condition, in the language of `index.filter`.

Tables and the language are imported only where a filter is given, so that `deglu --help` starts at once.
"""

import re
from typing import TYPE_CHECKING

from embed.errors import InputError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

    from index.filter import Where

# COLUMN = VALUE without quotes, which a shell removes and people forget; * for any part, as in names of files.
_UNQUOTED = re.compile(r"\s*(\w+)\s*(=|<>|!=|like\b)\s*([^'\"]*[^'\"\s])\s*", re.IGNORECASE)


def row_filter(text: str | None, option: str = "--where") -> "Where | None":
    """A filter over the provenance of an index's rows.  Raises SpecError with the part that is wrong."""
    if text is None:
        return None
    from embed.tables import PROVENANCE

    return _parsed(text, PROVENANCE, option)


def failure_filter(text: str | None) -> "Where | None":
    """A filter over FAILURES.  Raises SpecError with the part that is wrong."""
    if text is None:
        return None
    from embed.tables import FAILURES

    return _parsed(text, FAILURES, "--where")


def passed_over_filter(text: str | None) -> "Where | None":
    """A filter over PASSED_OVER.  Raises SpecError with the part that is wrong."""
    if text is None:
        return None
    from embed.tables import PASSED_OVER

    return _parsed(text, PASSED_OVER, "--where")


def _parsed(text: str, schema: "pa.Schema", option: str) -> "Where":
    from index.filter import parse_where

    try:
        return parse_where(text, schema)
    except InputError as error:  # the filter is part of the command line here
        problem, hint = str(error).removeprefix("filter: "), _hint(text, schema)
        raise SpecError(f"{option}: {problem.partition(': did you mean')[0] if hint else problem}{hint}") from None


def _hint(text: str, schema: "pa.Schema") -> str:
    """The same comparison with quotes, where it compares a column of text with a value that has none."""
    found = _UNQUOTED.fullmatch(text)
    if found is None:
        return ""
    column, compare, value = found[1], found[2], found[3]
    if column.lower() not in schema.names or str(schema.field(column.lower()).type) != "string":
        return ""
    if "*" in value:
        compare, value = "like", value.replace("*", "%")
    return f": did you mean {column} {compare} '{value}'? Text is written in single quotes"
