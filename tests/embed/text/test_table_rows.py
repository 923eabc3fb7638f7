import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError
from embed.text import table_rows as tables_in
from embed.text.csv_rows import CsvRows
from embed.text.documents import Broken, Columns, Document
from embed.text.table_rows import probe_table, read_table

RECORDS = [{"id": f"{n % 7}", "text": f"Passage {n}." if n % 5 else "", "year": str(1900 + n)} for n in range(60)]


def write_csv(path: Path) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(RECORDS[0]))
        writer.writeheader()
        writer.writerows(RECORDS)
    return "csv"


def write_packed(path: Path) -> str:
    write_csv(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return "csv"


def write_parquet(path: Path) -> str:
    pq.write_table(pa.Table.from_pylist(RECORDS), path, row_group_size=17)
    return "parquet"


WRITERS = {"a.csv": write_csv, "a.csv.gz": write_packed, "a.parquet": write_parquet}


@pytest.fixture(params=list(WRITERS))
def table(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Url and format."""
    path = tmp_path / request.param
    write: Callable[[Path], str] = WRITERS[request.param]
    return str(path), write(path)


@pytest.mark.parametrize("size", [1, 7, 25, 60])
def test_ranges_of_any_size_give_the_same_documents(table: tuple[str, str], size: int) -> None:
    url, form = table
    assert probe_table(url, form, Columns()) == 60
    whole = list(read_table(url, "v", form, Columns(), 0, None))
    parts = [
        one
        for start in range(0, 60, size)
        for one in read_table(url, "v", form, Columns(), start, start + size if start + size < 60 else None)
    ]
    assert parts == whole
    assert [one.place for one in whole if isinstance(one, Document)] == [n for n in range(60) if n % 5]
    assert [one for one in whole if isinstance(one, Broken)][1] in (
        Broken("row 5: no text", 5, 6),
        Broken("row 5: no text: no field 'text'", 5, 6),
    )
    assert whole[1] == Document("Passage 1.", "", "1", None, {"year": "1901"}, 1)


def test_a_unit_before_the_last_one_is_read_too(table: tuple[str, str]) -> None:
    url, form = table
    later = list(read_table(url, "v", form, Columns(), 40, 50))
    assert list(read_table(url, "v", form, Columns(), 3, 5)) != later
    assert list(read_table(url, "v", form, Columns(), 40, 50)) == later


def test_a_worker_reads_a_table_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counting(url: str, encoding: str | None) -> CsvRows:
        opened.append(url)
        return CsvRows(url, encoding)

    monkeypatch.setattr(tables_in, "CsvRows", counting)
    write_csv(tmp_path / "once.csv")
    for start in range(0, 60, 10):
        list(read_table(str(tmp_path / "once.csv"), "v", "csv", Columns(), start, start + 10))
    assert len(opened) == 1


def test_a_wrong_mapping_is_one_clear_line(table: tuple[str, str]) -> None:
    url, form = table
    columns = "the columns are 'id', 'text', 'year'"
    reason = f"no column 'body' for text; {columns}; name one in the input's `columns: {{text: ...}}`"
    for act in (
        lambda: probe_table(url, form, Columns({"text": "body"})),
        lambda: list(read_table(url, "v", form, Columns({"text": "body"}), 0, 5)),
    ):
        with pytest.raises(InputError) as caught:
            act()
        assert str(caught.value) == f"{url}: {reason}"


def test_rows_without_an_id_are_named_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("text\nonly\n")
    assert list(read_table(str(tmp_path / "one.csv"), "v", "csv", Columns(), 0, None)) == [
        Document("only", "", "row 0", None, {}, 0)
    ]
