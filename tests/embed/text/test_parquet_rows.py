from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import ExpandsTooFar, InputError
from embed.text import parquet_rows
from embed.text.documents import Broken
from embed.text.parquet_rows import ParquetRows


def rows_of(path: Path) -> ParquetRows:
    return ParquetRows(str(path))


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_any_range_of_rows_across_row_groups(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"n": list(range(1000))}, row_group_size=300)
    for first, end in [(0, 10), (299, 301), (650, None), (999, 1000), (1000, None), (0, None)]:
        rows = rows_of(path)
        expected = list(range(first, end or 1000))
        assert [(number, found["n"]) for number, found in rows.read(first, end) if isinstance(found, dict)] == [
            (n, n) for n in expected
        ]
        assert rows.at == (end or 1000)
        rows.close()


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.parquet", {"n": list(range(1000))}, row_group_size=300))
    ranges = [(0, 250), (250, 320), (900, 910), (950, None)]
    assert [[number for number, _ in rows.read(*one)] for one in ranges] == [
        list(range(first, end or 1000)) for first, end in ranges
    ]
    rows.close()


def test_columns_that_are_plain_and_records_of_such(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["a", None]).dictionary_encode(),
        "doc": [{"body": "x", "tags": ["t"]}, None],
        "vector": [[1.0], [2.0]],
        "raw": pa.array([b"r", b"s"]),
    }
    rows = rows_of(write(tmp_path / "a.parquet", columns))
    assert rows.names == ("text", "doc.body", "doc.tags", "raw")
    assert [found for _, found in rows.read(0, None)] == [
        {"text": "a", "doc": {"body": "x", "tags": ["t"]}, "raw": b"r"},
        {"text": None, "doc": None, "raw": b"s"},
    ]
    rows.close()


def test_a_row_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    raw = pa.array([b"one", b"\xff", b"three"]).cast(pa.string(), safe=False)
    rows = rows_of(write(tmp_path / "a.parquet", {"text": raw}))
    assert [found for _, found in rows.read(0, None)] == [
        {"text": "one"},
        Broken("row 1: not UTF-8", 1, 2),
        {"text": "three"},
    ]
    rows.close()


def test_what_is_not_whole_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"text": [f"text {n}" * 50 for n in range(5000)]}, compression="zstd")
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], b"text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.parquet: not a complete parquet file"):
            rows_of(path)
    damaged = bytearray(whole)
    damaged[200 : len(whole) // 3] = bytes(len(whole) // 3 - 200)
    path.write_bytes(damaged)
    rows = rows_of(path)
    with pytest.raises(InputError, match="damaged from row"):
        list(rows.read(0, None))
    rows.close()


def test_no_rows_is_a_table(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.parquet", {"text": pa.array([], pa.string())}))
    assert (rows.num_rows, list(rows.read(0, None))) == (0, [])
    rows.close()


POOL = pa.proxy_memory_pool(pa.default_memory_pool())  # it knows the most bytes that Arrow had at a time


@pytest.fixture
def memory() -> Iterator[pa.MemoryPool]:
    before = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    yield POOL
    pa.set_memory_pool(before)


def again(value: Any, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))


MB = "word " * 200_000
EXPANDING = {
    "a dictionary": {"text": again(MB, 16_000)},
    "one of strings": {"text": again(MB, 200).cast(pa.string())},
    "one of bytes": {"text": again(MB.encode(), 5_000)},
    "a field of a record": {"doc": pa.StructArray.from_arrays([again(MB, 5_000)], ["text"])},
    "a long value": {"text": ["word " * 8_000_000]},
    "rows": {"text": again("a word", 2_000_000)},
    "cells": {
        "text": again("a word", 700_000),
        **{f"n{number}": pa.nulls(700_000, pa.int8()) for number in range(150)},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPANDING)
def test_a_small_file_that_expands_fails_before_it_fills_the_memory(
    tmp_path: Path, memory: pa.MemoryPool, kind: str
) -> None:
    path = write(tmp_path / "a.parquet", EXPANDING[kind], compression="zstd")
    written, size = memory.max_memory(), path.stat().st_size
    assert size < 700_000
    stated = rf"a\.parquet: .* file of {size:,}.*; the most is"
    with pytest.raises(ExpandsTooFar, match=stated), closing(rows_of(path)) as rows:
        next(rows.read(0, None))
    assert memory.max_memory() <= max(written, 200 << 20)


def test_what_a_range_of_rows_may_hold_is_counted_alone(tmp_path: Path) -> None:
    page = "word " * 30_000  # 27 of them are 4 MiB
    path = write(tmp_path / "a.parquet", {"text": again(page, 100).cast(pa.string())})
    for first in (0, 20, 75):
        with closing(rows_of(path)) as rows:
            assert len(list(rows.read(first, first + 25))) == 25
    for first in (15, 20):  # the next range, of a table that is open or was skipped to it
        with closing(rows_of(path)) as rows:
            assert len(list(rows.read(first, 40))) == 40 - first
            with pytest.raises(ExpandsTooFar, match="rows 60 to 99: 6,000,000 bytes"):
                next(rows.read(60, None))


def test_a_row_that_is_too_long_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "ROW_BYTES", 10)
    rows = rows_of(write(tmp_path / "a.parquet", {"text": ["short", "far too long", None]}))
    texts = [one["text"] if isinstance(one, dict) else one.reason for _, one in rows.read(0, None)]
    assert texts == ["short", "row 1: over 0 MiB in one row (12 bytes); split it", None]
    rows.close()
