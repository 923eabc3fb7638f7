"""Filters of the command line: `--where` takes one SQL condition, in the language of `index.filter`.

Tables and the language are imported only where a filter is given, so that `deglu --help` starts at once.
"""

import re
from typing import TYPE_CHECKING

from embed.errors import InputError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

    from index.filter import Where

# FIELD=VALUE with * for any part: the filter of `failures` and `retry` before SQL.
_FORMER = re.compile(r"\s*(error_class|stage|uri|message)\s*=\s*([^'\"]*?)\s*")


def row_filter(text: str | None) -> "Where | None":
    """A filter over the provenance of an index's rows.  Raises SpecError with the part that is wrong."""
    if text is None:
        return None
    from embed.tables import PROVENANCE

    return _parsed(text, PROVENANCE)


def failure_filter(text: str | None) -> "Where | None":
    """A filter over FAILURES.  Raises SpecError with the part that is wrong."""
    if text is None:
        return None
    from embed.tables import FAILURES

    try:
        return _parsed(text, FAILURES)
    except SpecError:
        if former := _FORMER.fullmatch(text):
            cure = f"a filter is one SQL condition; write {_as_sql(*former.groups())}"
            raise SpecError(f"--where {text}: {cure}") from None
        raise


def passed_over_filter(text: str | None) -> "Where | None":
    """A filter over PASSED_OVER.  Raises SpecError with the part that is wrong."""
    if text is None:
        return None
    from embed.tables import PASSED_OVER

    return _parsed(text, PASSED_OVER)


def _parsed(text: str, schema: "pa.Schema") -> "Where":
    from index.filter import parse_where

    try:
        return parse_where(text, schema)
    except InputError as error:  # the filter is part of the command line here
        raise SpecError(f"--where: {str(error).removeprefix('filter: ')}") from None


def _as_sql(field: str, value: str) -> str:
    return f"{field} like '{value.replace('*', '%')}'" if "*" in value else f"{field} = '{value}'"
