from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embed.dataset.data_files import described, rewritten, without, write_data_files
from embed.dataset.staging import read_units, staged
from embed.dataset.version import FileRef
from embed.storage.store import join, listing
from embed.tables import ID
from tests.embed.vectors import begin, commit, manifest, unit_of


def texts(url: str, name: str) -> list[str]:
    column: list[str] = pq.read_table(join(url, name))["text"].to_pylist()
    return column


def units(names: str) -> pa.Array:
    return pa.array(list(map(unit_of, names)), ID)


def test_folding_twice_gives_the_same_names_and_bytes(storage_url: str) -> None:
    job = begin(storage_url)
    for name in "abcde":
        commit(job, name, name + "1", name + "2")
    size = next(read_units(job, staged(job))).rows.nbytes
    files = [
        write_data_files(storage_url, read_units(job, staged(job)), job.row_schema(), 1, file_bytes=2 * size - 100)
        for _ in range(2)
    ]
    assert files[0] == files[1]
    assert [ref.rows for ref in files[0]] == [4, 4, 2]
    assert {entry.url: entry.size_bytes for entry in listing(join(storage_url, "data"))} == {
        join(storage_url, ref.name): ref.size_bytes for ref in files[0]
    }


def test_a_file_loses_just_the_units_named(tmp_path: Path) -> None:
    url = str(tmp_path)
    job = begin(url)
    for name in "abc":
        commit(job, name, name)
    [file] = write_data_files(url, read_units(job, sorted(map(unit_of, "abc"))), job.row_schema(), 1)

    def left_without(names: str) -> list[FileRef]:
        return list(rewritten(url, [file], units(names), without(units(names)), job.row_schema(), 1))

    assert left_without("z") == [file]
    assert left_without("abc") == []
    [kept] = left_without("bz")
    assert sorted(texts(url, kept.name)) == ["a", "c"]
    assert sorted(texts(url, file.name)) == ["a", "b", "c"]
    assert pq.read_schema(join(url, kept.name)).metadata[b"deglu.space"] == b"space-1"


def test_rows_of_just_the_units_named_get_the_new_description(tmp_path: Path) -> None:
    url = str(tmp_path)
    job = begin(url)
    for name in "abc":
        commit(job, name, name)
    [file] = write_data_files(url, read_units(job, sorted(map(unit_of, "abc"))), job.row_schema(), 1)
    assets = manifest("a", "b")
    about = {"lang": ["fr", "wo"], "metadata": [[("year", "1999")], []], "text": ["a speech", None]}
    for name, values in {**about, "format": ["utterance", "txt"]}.items():
        place = assets.schema.get_field_index(name)
        assets = assets.set_column(place, name, pa.array(values, assets.schema.field(name).type))
    [kept] = rewritten(url, [file], units("ab"), described(units("ab"), assets), job.row_schema(), 1)
    before, after = (pq.read_table(join(url, ref.name)).sort_by("uri") for ref in (file, kept))
    assert after["lang"].to_pylist() == ["fr", "wo", None]
    assert after["metadata"].to_pylist() == [[("year", "1999")], [], [("station", "Dakar")]]
    assert after["text"].to_pylist() == ["a speech", "b", "c"], "only a list has transcripts"
    assert after.drop_columns(["lang", "metadata", "text"]).equals(before.drop_columns(["lang", "metadata", "text"]))
