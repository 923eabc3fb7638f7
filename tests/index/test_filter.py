"""The filter of every `--where`: what it keeps, what it refuses, and that DuckDB keeps the same."""

import pickle
import re
import subprocess
import sys
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import index.filter
from embed.errors import InputError
from embed.tables import PROVENANCE
from index.filter import MAX_CHARACTERS, Where, parse_where


def _id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _row(number: int, **values: Any) -> dict[str, Any]:
    ids = {"segment_id": _id(number), "asset_id": _id(number // 2), "unit_id": _id(255)}
    rest = {"uri": f"radio/{number}.wav", "content_version": "v1", "modality": "speech", "space": "s", "encoder": "e"}
    return dict.fromkeys(PROVENANCE.names) | ids | rest | values


ROWS = [
    _row(0, lang="wo", start_s=0.0, end_s=12.5, metadata=[("programme", "news")]),
    _row(1, lang="fr", start_s=90.0, end_s=120.0, metadata=[("programme", "Debate"), ("year", "1998")]),
    _row(2, lang="wo", start_s=3600.0, end_s=3605.25, metadata=[]),
    _row(3, start_s=7.0, end_s=8.0, text="a\\b", metadata=[("programme", None)]),
    _row(4, modality="text", lang="fr", start=0, end=400, item="doc%1", text="Le fleuve\nà l'heure"),
    _row(5, modality="text", lang="", start=400, end=2**53 + 1, item="doc_2", text="100 %"),
    _row(6, modality="text", lang="WO", start=-1, end=0, item="b", text="", metadata=[("", "x"), ("programme", "b")]),
]
TABLE = pa.Table.from_pylist(ROWS, PROVENANCE)


def _kept(text: str) -> list[int]:
    return [int(row) for row in np.flatnonzero(parse_where(text).mask(TABLE))]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("lang = 'wo' and start_s < 3600", [0]),
        ("lang = 'wo' or start_s >= 90", [0, 1, 2]),
        ("lang <> 'wo'", [1, 4, 5, 6]),  # not 3, whose language is not known
        ("not (lang = 'wo')", [1, 4, 5, 6]),
        ("lang is null", [3]),
        ("not lang is null and lang != ''", [0, 1, 2, 4, 6]),
        ("lang = 'wo' or not lang = 'wo' or lang is not null or true", [0, 1, 2, 3, 4, 5, 6]),
        ("lang = 'fr' and false", []),
        ("modality = 'text' or 90 between start_s and end_s", [1, 4, 5, 6]),
        ("start_s not between 1 and 100", [0, 2]),
        ("metadata['programme'] = 'news'", [0]),
        ("metadata['programme'] is null", [2, 3, 4, 5]),
        ("metadata is null", [4, 5]),
        ("metadata[''] like '_'", [6]),
        ("metadata['programme'] not in ('news', 'b')", [1]),
        ("lang in ('wo', 'fr')", [0, 1, 2, 4]),
        ("start in (0, 400, 7.5)", [4, 5]),
        ("start = -1", [6]),
        ("start < 0.5", [4, 6]),
        ("end = 9007199254740993", [5]),
        ("end < 99999999999999999999", [4, 5, 6]),
        ("start_s = 7 and end_s = 8.0", [3]),
        ("item like 'doc%'", [4, 5]),
        ("item not like '___%'", [6]),
        ("text like '%fleuve%heure'", [4]),  # % crosses lines
        ("text = 'Le fleuve\nà l''heure'", [4]),
        (r"text like '%\b'", [3]),  # a backslash is only itself
        (r"text like '_\_'", [3]),
        ("segment_id = '00000000000000000000000000000005'", [5]),
        ("unit_id <> '000000000000000000000000000000fF'", []),
        ("asset_id in ('00000000000000000000000000000001', '" + "f" * 32 + "')", [2, 3]),
        ("segment_id = asset_id", [0]),
        ("LANG = 'WO' AND \"end\" = 0", [6]),
        ("(((lang)) = ('fr'))", [1, 4]),
        ("'fr' = lang and 100 > start_s", [1]),
        ("start < end", [4, 5, 6]),
    ],
)
def test_keeps(text: str, kept: list[int]) -> None:
    assert _kept(text) == kept


@pytest.mark.parametrize("example", re.findall(r"(?m)^    ((?:lang|metadata|modality).*)$", index.filter.__doc__ or ""))
def test_the_examples_of_the_help_are_filters(example: str) -> None:
    assert parse_where(example).mask(TABLE).any()


def test_the_help_has_three_examples_and_every_column() -> None:
    page = index.filter.__doc__ or ""
    assert len(re.findall(r"(?m)^    ((?:lang|metadata|modality).*)$", page)) == 3
    assert all(name in page for name in PROVENANCE.names)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("-- lang = 'wo'", "empty"),
        ("lang = 'wo' -- and more", "comment"),
        ("lang = 'wo' /* or true */", "or true"),
        ("lang /*+ x */ = 'wo'", "comment"),
        ("lang = 'wo'; drop table x", "';'"),
        ("lang = 'wo';", "';'"),
        ("select 1", "select"),
        ("lang = 'wo' limit 3", "limit"),
        ("lang = 'wo' union select 'x'", "union"),
        ("lang = 'wo", "not closed"),
        ("(lang = 'wo'", "not one complete condition"),
        ("lang =", "not one complete condition"),
        ("+", "not a condition"),
        ("else", "not a condition"),  # sqlglot raises an IndexError
        ("lang = 'wo' and", "not one complete condition"),
        ("language = 'wo'", "did you mean lang?"),
        ("programme = 'news'", r"metadata\['key'\]"),
        ("metadata.programme = 'news'", r"metadata\['key'\]"),
        ("t.lang = 'wo'", "t.lang"),
        ('lang = "wo"', "unknown column wo: did you mean lang = 'wo'"),
        ("lang = fr", "unknown column fr: did you mean lang = 'fr'"),
        ("fr <> lang", "did you mean 'fr' <> lang"),
        ("start > 3 and (lang in (fr, wo) or true)", r"unknown column fr, wo: did you mean lang IN \('fr', 'wo'\)"),
        ("not lang like f", "did you mean lang LIKE 'f'"),
        ("lang = fr-CA", "did you mean lang = 'fr-CA'"),
        ("uri = radio/2026/a.mp3", "did you mean uri = 'radio/2026/a.mp3'"),
        ("vector = 1", "unknown column vector"),
        ("lower(lang) = 'wo'", r"LOWER\(lang\)"),
        ("read_text('/etc/passwd') = 'x'", "passwd"),
        ("lang = (select 'wo')", "SELECT"),
        ("lang in (select 'wo')", "SELECT"),
        ("exists (select 1)", "EXISTS"),
        ("lang in item", "lang IN item"),
        ("lang in ()", "a list holds only literals"),
        ("lang in (item)", "a list holds only literals"),
        ("lang in ('wo', null)", "is null"),
        ("lang = null", "is null"),
        ("lang is true", "null after it"),
        ("'wo' is null", "requires a column"),
        ("(lang = 'wo') is null", "EQ|lang = 'wo'"),
        ("lang = 3", r"text \(lang\) with a number \(3\)"),
        ("start_s < '3600'", r"a number \(start_s\) with text \('3600'\)"),
        ("start_s = lang", "a number"),
        ("lang = true", "true or false"),
        ("start in (1, 'x')", "'x'"),
        ("segment_id = 'abc'", "id of 32 hexadecimal digits"),
        ("segment_id = '0 000000000000000000000000000000'", "32 hexadecimal"),
        ("segment_id < '00000000000000000000000000000005'", "no order"),
        ("segment_id = lang", "an id"),
        ("metadata = 'news'", r"metadata\['key'\]"),
        ("metadata[1] = 'news'", r"metadata\['key'\]"),
        ("metadata['a', 'b'] = 'news'", r"metadata\['key'\]"),
        ("metadata['a']['b'] = 'news'", r"metadata\['key'\]"),
        ("lang['a'] = 'news'", "only metadata has keys"),
        ("lang", "not a condition"),
        ("lang = 'wo' and 3", "3 is not a condition"),
        ("1 = 1", "names no column"),
        ("start + 1 = 2", "start"),
        ("start = -end", "not allowed"),
        ("start = - -1", "not allowed"),
        ("start = 1 = true", "not allowed"),
        ("start between symmetric 2 and 1", "not allowed"),
        ("lang ilike 'wo'", "ILIKE"),
        ("lang like item", "pattern in quotes"),
        ("start like '1%'", "column of text"),
        ("lang like 'w!%' escape '!'", "ESCAPE"),
        ("lang ~ 'w.'", "not allowed"),
        ("lang is distinct from 'wo'", "DISTINCT"),
        ("lang::int = 1", "CAST"),
        ("case when true then true end", "CASE"),
        ("lang = ?", r"\?"),
        ("lang = $x", "not allowed"),
        ("lang = E'wo'", "not allowed"),
        ("lang = 'w' 'o'", "not allowed"),
        ("start = 1e", "not a number"),
        ("start < 1e999", "too large"),
        ("start < " + "9" * 5000, "too large"),
        ("(" * 17 + "true" + ")" * 17, "nested too deep"),
        ("not " * 2000 + "true", "nested too deep"),
        ("start = " + "- " * 4000 + "1", "nested too deep|not allowed"),
        ("lang = '" + "x" * MAX_CHARACTERS + "'", "10,000"),
        ("lang = '\udcff'", "Unicode"),
        ("*", r"\*"),
    ],
)
def test_refuses_with_one_line_that_names_the_part(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        parse_where(text)
    message = str(caught.value)
    assert message.startswith("filter: ")
    assert message.isprintable()
    assert len(message) < 500


def test_a_filter_is_a_value_that_names_its_columns() -> None:
    text = "start_s < 1 and metadata['a'] = 'x' or LANG is null"
    where = parse_where(text)
    assert where == Where(text, ("start_s", "lang", "metadata"))
    assert hash(where) == hash(parse_where(text))
    again = pickle.loads(pickle.dumps(where))  # noqa: S301 - as Ray does with its own
    np.testing.assert_array_equal(again.mask(TABLE), where.mask(TABLE))
    assert parse_where("true").columns == ()


def test_it_reads_its_columns_alone() -> None:
    where = parse_where("metadata['programme'] = 'news' or lang = 'fr'")
    np.testing.assert_array_equal(where.mask(TABLE.select(where.columns)), where.mask(TABLE))


@pytest.mark.slow
def test_a_thousand_conditions_in_a_row() -> None:
    assert _kept(" or ".join(f"end={number}" for number in range(900))) == [4, 6]
    assert _kept(" and ".join(["end>-1"] * 900)) == [4, 5, 6]
    assert _kept(f"end in ({','.join(str(number) for number in range(2000))})") == [4, 6]


@pytest.mark.parametrize("text", ["true", "lang = 'wo'", "metadata['a'] is null", "lang in ('x')", "lang like '%'"])
def test_a_table_without_rows_has_a_mask_without_rows(text: str) -> None:
    for empty in (PROVENANCE.empty_table(), TABLE.slice(3, 0), pa.Table.from_batches([], PROVENANCE)):
        mask = parse_where(text).mask(empty)
        assert mask.shape == (0,)
        assert mask.dtype == np.bool_


def test_another_table_has_other_columns() -> None:
    schema = pa.schema([pa.field("stage", pa.string()), pa.field("attempts", pa.int32())])
    table = pa.table({"stage": ["probe", "decode"], "attempts": [1, 2]}, schema)
    where = parse_where("stage = 'decode' and attempts >= 1.5", schema)
    assert where.columns == ("stage", "attempts")
    assert where.mask(table).tolist() == [False, True]
    assert pickle.loads(pickle.dumps(where)).mask(table).tolist() == [False, True]  # noqa: S301 - as Ray does with its own
    assert where != parse_where("true", schema) != parse_where("true")
    with pytest.raises(InputError, match="unknown column lang; columns are stage, attempts"):
        parse_where("lang = 'wo'", schema)
    with pytest.raises(InputError, match="no column has keys, columns are stage, attempts"):
        parse_where("metadata['a'] = 'b'", schema)
    with pytest.raises(InputError, match=r"unknown column t\.stage, did you mean stage"):
        parse_where("t.stage = 'b'", schema)


@pytest.mark.slow
def test_importing_it_loads_no_parser() -> None:
    code = "import sys, index.filter; assert not {'sqlglot', 'torch', 'faiss', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Random filters, compared with what DuckDB keeps.  There ids are their digits, since its blobs compare with other text.

_WORDS = st.text(alphabet="ab%_\\.'é\n", max_size=3)
_TEXTS = ["lang", "item", "text", "metadata['a']", "metadata['b''']"]
_NUMBERS = ["start_s", "end_s", "start", '"end"']
_IDS = ["segment_id", "asset_id"]


@st.composite
def _tables(draw: st.DrawFn) -> pa.Table:
    words, whole = st.none() | _WORDS, st.none() | st.integers(-3, 3)
    halves = st.none() | st.integers(-3, 3).map(lambda number: number / 2)
    maps = st.none() | st.dictionaries(st.sampled_from(["a", "b'"]), words, max_size=2).map(
        lambda found: [*found.items()]
    )
    made: dict[str, st.SearchStrategy[Any]] = {
        "lang": words,
        "item": words,
        "text": words,
        "metadata": maps,
        "start": whole,
        "end": whole,
    }
    made |= {"start_s": halves, "end_s": halves, "asset_id": st.integers(0, 2).map(_id)}
    rows = draw(st.lists(st.fixed_dictionaries(made), min_size=1, max_size=8))
    return pa.Table.from_pylist([_row(number) | row for number, row in enumerate(rows)], PROVENANCE)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


_LITERALS = {
    "text": _WORDS.map(_quoted),
    "number": st.integers(-3, 3).map(str)
    | st.sampled_from(["0.5", "-1.5", "1e0", "-0.0", ".5", "99999999999999999999"]),
    "id": st.integers(0, 3).map(lambda number: f"'{_id(number).hex()}'"),
}
_COLUMNS = {"text": st.sampled_from(_TEXTS), "number": st.sampled_from(_NUMBERS), "id": st.sampled_from(_IDS)}


@st.composite
def _comparisons(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["text", "text", "number", "number", "id"]))
    column, literal = draw(_COLUMNS[kind]), _LITERALS[kind]
    other = draw(literal | _COLUMNS[kind])
    form = draw(st.sampled_from(["compare", "reversed", "in", "null", "true"] + ["between", "like"] * (kind != "id")))
    negated = draw(st.sampled_from(["", "not "]))
    if form == "in":
        return f"{column} {negated}in ({', '.join(draw(st.lists(literal, min_size=1, max_size=3)))})"
    if form == "null":
        return f"{column} is {negated}null"
    if form == "true":
        return draw(st.sampled_from(["true", "false"]))
    if form == "between":
        return f"{column} {negated}between {other} and {draw(literal)}"
    if form == "like" and kind == "text":
        return f"{column} {negated}like {draw(literal)}"
    operator = draw(st.sampled_from(["=", "<>", "!="] + ["<", "<=", ">", ">="] * (kind != "id")))
    left, right = (other, column) if form == "reversed" else (column, other)
    return f"{left} {operator} {right}"


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join)
    return joined | inner.map("not {}".format) | inner.map("({})".format) | inner.map("not ({})".format)


_FILTERS = st.recursive(_comparisons(), _compound, max_leaves=6)


def _as_duckdb_says(con: duckdb.DuckDBPyConnection, text: str, table: pa.Table) -> list[bool]:
    digits = {name: pa.array([value.as_py().hex() for value in table[name]]) for name in ("asset_id", "segment_id")}
    for name, values in digits.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    con.register("t", table.append_column("row", pa.array(range(table.num_rows))))
    found = con.execute(f"select coalesce(({text}), false) from t order by row").fetchall()
    con.unregister("t")
    return [kept for (kept,) in found]


@pytest.fixture(scope="module")
def con() -> Any:
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        yield connection


@pytest.mark.slow
@settings(deadline=None, max_examples=150)  # The machine may be busy.
@given(text=_FILTERS, table=_tables(), cut=st.integers(0, 8))
def test_keeps_what_duckdb_keeps_however_the_table_is_cut(
    con: duckdb.DuckDBPyConnection, text: str, table: pa.Table, cut: int
) -> None:
    where = parse_where(text.replace('"end"', "end"))
    mask = where.mask(table).tolist()
    assert mask == _as_duckdb_says(con, text, table)
    assert mask == parse_where(text).mask(table).tolist()
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    assert where.mask(chunked).tolist() == mask
    assert where.mask(table.slice(cut)).tolist() == mask[cut:]
