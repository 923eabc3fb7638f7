"""The filter language of every `--where`: one SQL condition on a row of a table, evaluated by Arrow.

    condition   comparison | true | false | (condition) | not condition | condition and condition
                | condition or condition
    comparison  value = value           also <> != < <= > >=
                | value [not] between value and value
                | column [not] in (literal, ...)
                | column [not] like 'pattern'        % matches any characters, _ one; case counts
                | column is [not] null
    value       column | literal
    literal     'text' (a quote in it is doubled: 'l''heure') | 3600 | -1.5

The table is the provenance of an index's rows, unless another schema is named.  Provenance has

    columns of text     uri content_version modality item lang text space encoder metadata['key']
    columns of numbers  start_s end_s (speech, seconds), start end (text, characters)
    columns of ids      segment_id asset_id unit_id: text of 32 hexadecimal digits, only for =, <> and in

Text compares with text, numbers with numbers.  Where a row has no value, a comparison is unknown, as in SQL, and such a
row is not kept: `lang <> 'wo'` keeps no row without a language, `lang is null` finds those.

    lang = 'wo' and start_s < 3600
    metadata['programme'] in ('news', 'debate') and uri not like '%/rehearsal/%'
    modality = 'text' or 90 between start_s and end_s
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed.errors import InputError
from embed.tables import ID, METADATA, PROVENANCE

if TYPE_CHECKING:  # sqlglot takes a tenth of a second to import: `_parsed` imports it when there is a filter
    from sqlglot import Expr

MAX_CHARACTERS: Final = 10_000
MAX_DEPTH: Final = 16  # brackets in brackets; the parser takes about 25 frames of Python's 1,000 for each

Read = Callable[[pa.Table], Any]  # a table's column, or one scalar; of a condition: true, false or null for each row

_ALLOWED: Final = "allowed are and, or, not, = <> < <= > >=, between, in (list), like, is null, columns and literals"
_KINDS: Final = {
    pa.string(): "text",
    pa.int64(): "a number",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
    ID: "an id of 32 hexadecimal digits",
    METADATA: "a map",
}
_COMPARE: Final = {
    "eq": pc.equal,
    "neq": pc.not_equal,
    "lt": pc.less,
    "lte": pc.less_equal,
    "gt": pc.greater,
    "gte": pc.greater_equal,
}


@dataclass(frozen=True)
class Where:
    """A valid filter, made by `parse_where`; equal filters have equal text.  Pickles."""

    text: str
    columns: tuple[str, ...]  # what `mask` reads, in the order of the schema
    schema: pa.Schema = PROVENANCE

    def mask(self, table: pa.Table) -> NDArray[np.bool_]:
        """Which rows to keep, [n]; unknown is not kept.  The table has at least `columns`, typed as in the schema."""
        kept = _read(self.text, self.schema)[0](table)
        if isinstance(kept, pa.Scalar):
            return np.full(table.num_rows, bool(kept.as_py()))
        mask: NDArray[np.bool_] = pc.fill_null(kept, False).to_numpy()
        return mask


def parse_where(text: str, schema: pa.Schema = PROVENANCE) -> Where:
    """Reads a filter over the columns of `schema`.

    Raises InputError naming the part that is not of the language (see the module).

    >>> import deglu
    >>> deglu.parse_where("lang = 'wo' and start_s < 3600").text
    "lang = 'wo' and start_s < 3600"
    """
    return Where(text, _read(text, schema)[1], schema)


@lru_cache(maxsize=256)
def _read(text: str, schema: pa.Schema) -> tuple[Read, tuple[str, ...]]:
    """The filter as a function of a table, and the columns it reads."""
    try:
        tree = _parsed(text)
        condition = _condition(tree, schema)
        used = {node.name.lower() for node in tree.walk() if node.key == "column"}
    except RecursionError:
        raise _refused(f"nested too deep; at most {MAX_DEPTH} levels are allowed") from None
    return condition, tuple(name for name in schema.names if name in used)


def _parsed(text: str) -> "Expr":
    from sqlglot import Dialect
    from sqlglot.errors import ParseError, TokenError
    from sqlglot.expressions import Condition

    if len(text) > MAX_CHARACTERS:
        raise _refused(f"{len(text):,} characters long; at most {MAX_CHARACTERS:,} are allowed")
    sql = Dialect.get_or_raise("duckdb")
    try:
        text.encode()
        _check_tokens(sql.tokenize(text))
        tree = sql.parse_into(Condition, text)[0]
    except UnicodeEncodeError:
        raise _refused("not valid Unicode") from None
    except TokenError:
        raise _refused("a quote, or a comment, is not closed") from None
    except ParseError as error:
        near = error.errors[0].get("highlight") if error.errors else None
        raise _refused(f"not one complete condition; the error is near {_quoted(near or 'its end')}") from None
    except (LookupError, TypeError, ValueError, AttributeError):  # sqlglot fails so on a single `else`, for example
        tree = None
    if tree is None:
        raise _refused(f"{_quoted(text)} is not a condition")
    return tree


def _check_tokens(tokens: Sequence[Any]) -> None:
    """Refuses what the tree does not show (comments, further statements), and what is too deep to parse."""
    if not tokens:
        raise _refused("empty; omit it to keep every row")
    depth = 0
    for token in tokens:
        kind = token.token_type.name
        if token.comments:
            raise _refused(f"a comment, {_quoted(token.comments[0].strip())}, is not allowed")
        if kind == "SEMICOLON":
            raise _refused("';' is not allowed; a filter is one condition")
        depth += kind.startswith("L_") - kind.startswith("R_")
        if depth > MAX_DEPTH:
            raise _refused(f"nested too deep; at most {MAX_DEPTH} levels are allowed")


# Conditions: each a function of a table that gives true, false or null for each row.


def _condition(node: "Expr", schema: pa.Schema) -> Read:
    if read := _CONDITIONS.get(node.key):
        try:
            return read(node, schema)
        except InputError:
            if hint := _with_quotes(node, schema):
                raise hint from None
            raise
    if node.key in ("column", "bracket", "literal", "neg", "null"):
        raise _refused(f"{_shown(node)} is not a condition; compare it with something")
    raise _refused(f"{_shown(node)} is not allowed; {_ALLOWED}")


def _paren(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this")
    return _condition(node.this, schema)


def _not(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this")
    condition = _condition(node.this, schema)
    return lambda table: pc.invert(condition(table))


def _chain(node: "Expr", schema: pa.Schema) -> Read:
    join = pc.and_kleene if node.key == "and" else pc.or_kleene
    # Flattened: a chain of a thousand conditions is a tree of depth one thousand.
    conditions = [_condition(part, schema) for part in node.flatten()]
    return lambda table: reduce(join, (condition(table) for condition in conditions))


def _constant(node: "Expr", schema: pa.Schema) -> Read:
    constant = pa.scalar(bool(node.this))
    return lambda table: constant


def _comparison(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this", "expression")
    ordered = node.key not in ("eq", "neq")
    left, right = _comparable(node, schema, [node.this, node.expression], ordered)
    compare = _COMPARE[node.key]
    return lambda table: compare(left(table), right(table))


def _between(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this", "low", "high")
    value, low, high = _comparable(node, schema, [node.this, node.args["low"], node.args["high"]], ordered=True)

    def inside(table: pa.Table) -> Any:
        middle = value(table)
        return pc.and_kleene(pc.greater_equal(middle, low(table)), pc.less_equal(middle, high(table)))

    return inside


def _in(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this", "expressions")
    if not node.expressions or any(part.key not in ("literal", "neg", "boolean", "null") for part in node.expressions):
        raise _refused(f"{_shown(node)} is not allowed; a list holds only literals, and at least one")
    column, *literals = _comparable(node, schema, [node.this, *node.expressions])
    values = [literal(None) for literal in literals]
    members, unknown = pa.array([value.as_py() for value in values], values[0].type), pa.scalar(None, pa.bool_())

    def among(table: pa.Table) -> Any:
        read = column(table)  # for a null, `is_in` gives false, SQL unknown
        return pc.if_else(pc.is_valid(read), pc.is_in(read, value_set=members), unknown)

    return among


def _is_null(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this", "expression")
    value = _value(node.this, schema)
    if node.expression.key != "null" or value.is_literal:
        raise _refused(f"{_shown(node)} is not allowed; `is` requires a column before it and null after it")
    return lambda table: pc.is_null(value.read(table))


def _like(node: "Expr", schema: pa.Schema) -> Read:
    _only(node, "this", "expression", "negate")
    column, pattern = _value(node.this, schema), _value(node.expression, schema)
    if column.is_literal or not pattern.is_literal or {column.type, pattern.type} != {pa.string()}:
        raise _refused(f"{_shown(node)} is not allowed; like compares a column of text with a pattern in quotes")
    matches = _matcher(pattern.read(None).as_py())
    if node.args.get("negate"):
        return lambda table: pc.invert(matches(column.read(table)))
    return lambda table: matches(column.read(table))


def _matcher(pattern: str) -> Callable[[Any], Any]:
    if "\\" not in pattern:
        return lambda values: pc.match_like(values, pattern)
    # Arrow's `match_like` takes a backslash as an escape, SQL as itself; doubled, Arrow 26 gets '%\' wrong.
    wild = {"%": ".*", "_": "."}
    expression = "(?s)^" + "".join(wild.get(character) or re.escape(character) for character in pattern) + "$"
    return lambda values: pc.match_substring_regex(values, expression)


_CONDITIONS: Final[dict[str, Callable[["Expr", pa.Schema], Read]]] = {
    "paren": _paren,
    "not": _not,
    "and": _chain,
    "or": _chain,
    "boolean": _constant,
    "between": _between,
    "in": _in,
    "is": _is_null,
    "like": _like,
    **dict.fromkeys(_COMPARE, _comparison),
}


# Values: the columns and literals that conditions are about.


@dataclass(frozen=True)
class _Value:
    type: pa.DataType
    read: Read  # of a literal: its scalar, for any table
    shown: str
    is_literal: bool = False


def _comparable(node: "Expr", schema: pa.Schema, parts: Sequence["Expr"], ordered: bool = False) -> list[Read]:
    """Reads each part of `node` in their common type; refuses parts that do not compare."""
    values = [_value(part, schema) for part in parts]
    first = next((value for value in values if not value.is_literal), None)
    if first is None:
        raise _refused(f"{_shown(node)} names no column; columns are {_known(schema)}")
    if METADATA in {value.type for value in values}:
        raise _refused(f"{_shown(node)} compares all of metadata; write metadata['key']")
    if first.type == ID:
        values = [_as_id(value) for value in values]
    for value in values:
        if _KINDS[value.type] != _KINDS[first.type]:
            sides = f"{_KINDS[first.type]} ({first.shown}) with {_KINDS[value.type]} ({value.shown})"
            raise _refused(f"{_shown(node)} compares {sides}")
    if ordered and first.type == ID:
        raise _refused(f"{_shown(node)} is not allowed; ids have no order, use =, <> or in")
    # Of numbers, float64 if one is; of anything else there is only the one type.
    common = pa.float64() if pa.float64() in {value.type for value in values} else first.type
    return [value.read if value.type == common else _as_float(value.read) for value in values]


def _as_id(value: _Value) -> _Value:
    """A literal of 32 hexadecimal digits as an id; anything else unchanged."""
    text = value.read(None).as_py() if value.is_literal else None
    if isinstance(text, str) and re.fullmatch("[0-9a-fA-F]{32}", text):
        return _literal(pa.scalar(bytes.fromhex(text), ID))
    return value


def _as_float(read: Read) -> Read:
    return lambda table: pc.cast(read(table), pa.float64(), safe=False)  # rounds beyond 2**53, as SQL does


def _value(node: "Expr", schema: pa.Schema) -> _Value:
    if node.key == "paren":
        _only(node, "this")
        return _value(node.this, schema)
    if node.key == "column":
        return _column(node, schema)
    if node.key == "bracket":
        return _metadata(node, schema)
    if node.key == "boolean":
        return _literal(pa.scalar(bool(node.this)))
    if node.key == "literal":
        return _literal(pa.scalar(str(node.this), pa.string()) if node.is_string else _number(node))
    if node.key == "neg" and node.this.key == "literal" and not node.this.is_string:
        return _literal(_number(node.this, negative=True))
    if node.key == "null":
        raise _refused("nothing compares with null; write `column is null` or `column is not null`")
    raise _refused(f"{_shown(node)} is not allowed; {_ALLOWED}")


def _literal(scalar: pa.Scalar) -> _Value:
    return _Value(scalar.type, lambda table: scalar, _short(repr(scalar.as_py())), is_literal=True)


def _number(node: "Expr", negative: bool = False) -> pa.Scalar:
    """int64 where the number is whole and fits, else float64."""
    text = str(node.this)
    try:
        value = float(text)
    except ValueError:
        raise _refused(f"{_quoted(text)} is not a number") from None
    if not math.isfinite(value):
        raise _refused(f"{_quoted(text)} is too large a number")
    sign = -1 if negative else 1
    if text.isdecimal() and -(2**63) <= sign * int(text) < 2**63:
        return pa.scalar(sign * int(text), pa.int64())
    return pa.scalar(sign * value + 0.0, pa.float64())  # + 0.0 turns -0.0 into 0.0, which `is_in` would distinguish


def _column(node: "Expr", schema: pa.Schema) -> _Value:
    name = node.name.lower()
    if name not in schema.names or node.this.key != "identifier" or node.args.get("table"):
        raise _unknown(node, schema)
    type_of = schema.field(name).type
    if type_of == pa.int32():
        return _Value(pa.int64(), lambda table: pc.cast(table[name], pa.int64()), name)
    return _Value(type_of, lambda table: table[name], name)


def _unknown(node: "Expr", schema: pa.Schema) -> InputError:
    close = get_close_matches(node.name.lower(), schema.names, n=1)
    if node.args.get("table") and "metadata" in schema.names:
        cure = "; fields of metadata are written metadata['key']"
    elif node.this.args.get("quoted"):
        cure = f"; text is written in single quotes: '{_short(node.name)}'"
    else:
        cure = f", did you mean {close[0]}?" if close else ""
    return _refused(f"unknown column {_shown(node)}{cure}; columns are {_known(schema)}")


_ARITHMETIC: Final = ("add", "sub", "mul", "div", "mod", "dot")  # as which fr-CA and radio/2026/a.mp3 are parsed


def _with_quotes(node: "Expr", schema: pa.Schema) -> InputError | None:
    """The error of a comparison that would be right with quotes around what is no column; None for any other."""
    from sqlglot.expressions import Literal

    if node.key not in ("in", "like", "between", *_COMPARE):
        return None
    mended, bare = node.copy(), []
    for part in list(mended.iter_expressions()):
        if part.key in _ARITHMETIC or (part.key == "column" and part.sql().lower() not in schema.names):
            is_name = part.key == "column" and not part.args.get("table")
            bare.append(part.name if is_name else _shown(part).replace(" ", ""))
            part.replace(Literal.string(bare[-1]))
    try:
        _CONDITIONS[node.key](mended, schema)
    except InputError:
        return None
    cure = f"did you mean {_shown(mended)}? Text is written in single quotes"
    return _refused(f"unknown column {_short(', '.join(bare))}: {cure}") if bare else None


def _metadata(node: "Expr", schema: pa.Schema) -> _Value:
    _only(node, "this", "expressions")
    of, keys = node.this, node.expressions
    plain = of.key == "column" and not of.args.get("table") and of.name.lower() == "metadata"
    if "metadata" not in schema.names:
        raise _refused(f"{_shown(node)} is not allowed; no column has keys, columns are {_known(schema)}")
    if not plain or len(keys) != 1 or keys[0].key != "literal" or not keys[0].is_string:
        raise _refused(
            f"{_shown(node)} is not allowed; only metadata has keys, write one key in quotes: metadata['key']"
        )
    key = pa.scalar(str(keys[0].this), pa.string())
    return _Value(pa.string(), lambda table: pc.map_lookup(table["metadata"], key, "first"), _shown(node))


# Refusals.


def _only(node: "Expr", *names: str) -> None:
    """Refuses a node with arguments that are not supported (`between symmetric`, `in (select ...)`)."""
    if any(value for name, value in node.args.items() if name not in names):
        raise _refused(f"{_shown(node)} is not allowed; {_ALLOWED}")


def _known(schema: pa.Schema) -> str:
    return ", ".join("metadata['key']" if name == "metadata" else name for name in schema.names)


def _shown(node: "Expr") -> str:
    from sqlglot.errors import ErrorLevel

    return _short(node.sql("duckdb", comments=False, unsupported_level=ErrorLevel.IGNORE))


def _quoted(text: str) -> str:
    return f'"{_short(text)}"'


def _short(text: str) -> str:
    """One line of printable characters, at most 80."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= 80 else line[:77] + "..."


def _refused(why: str) -> InputError:
    return InputError(f"filter: {why}")
