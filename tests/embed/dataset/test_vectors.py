import pickle
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.forget import forget
from embed.dataset.publish import publish
from embed.errors import InputError
from embed.storage.store import local_copy
from embed.tables import rows
from tests.embed.vectors import DIM, begin, commit, commit_failed, manifest, unit_of
from tests.embed.vectors import unit_rows as rows_of


@pytest.fixture
def dataset(storage_url: str) -> VectorsDataset:
    """Units a and b, three rows in all, and c that failed."""
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    commit(job, "b", "three")
    commit_failed(job, "c", "no sound")
    publish(job, manifest("a", "b", "c"), file_bytes=1)
    return open_dataset(storage_url)


def test_a_version_explains_itself(dataset: VectorsDataset) -> None:
    info = dataset.info
    assert (info.number, info.rows, info.dims, info.metric) == (1, 3, (DIM, 2), "cosine")
    assert (info.space, info.encoder) == ("space-1", "encoder-1")
    assert (info.accounting.embedded, info.accounting.failed, info.accounting.rows) == (2, 1, 3)
    assert sorted(ref.rows for ref in info.data) == [1, 2]
    assert dataset.assets().equals(manifest("a", "b", "c"))
    assert dataset.failures()["message"].to_pylist() == ["no sound"]
    assert sorted(dataset.ledger()["unit_id"].to_pylist()) == sorted(map(unit_of, "abc"))


def test_rows_come_back_as_they_were_committed(dataset: VectorsDataset) -> None:
    expected = {name: rows_of(name, texts) for name, texts in (("a", ["one", "two"]), ("b", ["three"]))}
    in_order = [expected[name] for name in sorted("ab", key=unit_of)]
    table = dataset.table()
    assert table.equals(pa.concat_tables(in_order))
    assert table.schema.equals(rows(DIM))
    assert table.schema.metadata[b"deglu.dims"] == b"4,2"


def test_batches_hold_the_columns_asked_and_no_more_rows_than_asked(dataset: VectorsDataset) -> None:
    batches = list(dataset.batches(["vector", "text"], batch_rows=1))
    assert [batch.num_rows for batch in batches] == [1, 1, 1]
    assert {tuple(batch.schema.names) for batch in batches} == {("vector", "text")}
    by_text = {batch["text"][0].as_py(): batch["vector"][0].as_py() for batch in batches}
    assert by_text == {"one": [1, 0, 0, 0], "two": [0, 1, 0, 0], "three": [1, 0, 0, 0]}


@pytest.mark.parametrize(("rows", "sizes"), [(1, [2, 1]), (3, [3])], ids=["a file each", "both files"])
def test_parts_are_whole_files_and_hold_every_row_once(dataset: VectorsDataset, rows: int, sizes: list[int]) -> None:
    parts = dataset.parts(rows)
    assert sorted(part.stored_rows for part in parts) == sorted(sizes)
    assert len({part.name for part in parts}) == len(parts)
    sent = pickle.loads(pickle.dumps(parts))  # noqa: S301 - what was made here
    assert [part.name for part in sent] == [part.name for part in open_dataset(dataset.url).parts(rows)]
    batches = [batch for part in sent for batch in part.batches()]
    assert pa.Table.from_batches(batches).equals(dataset.table())


def test_a_part_leaves_tombstoned_rows_out(dataset: VectorsDataset) -> None:
    forget(dataset.url, ["demo/a"])
    (part,) = open_dataset(dataset.url).parts()
    assert [batch["text"].to_pylist() for batch in part.batches(["text"])] == [["three"]]
    assert part.stored_rows == 3


def test_others_read_the_files_without_this_project(dataset: VectorsDataset, tmp_path: Path) -> None:
    files = [str(local_copy(url, tmp_path)) for url in dataset.files()]
    assert len(files) == 2
    table = pa.concat_tables([pq.read_table(file) for file in files])
    assert table.schema.field("vector").type == pa.list_(pa.float16(), DIM)
    vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, DIM)
    assert vectors.dtype == np.float16
    frame = pl.read_parquet(files)
    assert frame.schema["vector"] == pl.Array(pl.Float16, DIM)
    assert frame["vector"].to_list() == table["vector"].to_pylist()
    relation = duckdb.read_parquet(files)
    assert str(dict(zip(relation.columns, relation.types, strict=True))["vector"]) == "FLOAT[]"
    near = f"array_cosine_similarity(vector::FLOAT[{DIM}], [0, 1, 0, 0]::FLOAT[{DIM}]) > 0.9"
    similar = relation.filter(near).project("text")
    assert similar.fetchall() == [("two",)]


def test_an_open_dataset_stays_at_its_version(dataset: VectorsDataset) -> None:
    job = begin(dataset.url)
    commit(job, "d", "four")
    publish(job, manifest("a", "b", "c", "d"))
    assert dataset.table(["text"]).num_rows == 3
    assert open_dataset(dataset.url).table(["text"]).num_rows == 4


def test_a_dataset_of_no_rows_opens(storage_url: str) -> None:
    job = begin(storage_url)
    commit_failed(job, "a", "no sound")
    publish(job, manifest("a"))
    assert open_dataset(storage_url).table().schema.equals(rows(DIM))
    assert list(open_dataset(storage_url).batches()) == []


def test_what_is_not_published_is_named(storage_url: str) -> None:
    with pytest.raises(InputError, match="no version is published here; run `deglu embed SPEC`"):
        open_dataset(storage_url)
    job = begin(storage_url)
    commit(job, "a", "one")
    publish(job, manifest("a"))
    with pytest.raises(InputError, match="no version 7; published: 1"):
        open_dataset(storage_url, version=7)


@pytest.mark.parametrize("kind", ["data", "assets"])
def test_a_damaged_file_is_named(tmp_path: Path, kind: str) -> None:
    job = begin(str(tmp_path / "vectors"))
    commit(job, "a", "one")
    publish(job, manifest("a"))
    (file,) = (tmp_path / "vectors" / kind).iterdir()
    file.write_bytes(b"half a fi")
    dataset = open_dataset(job.url)
    with pytest.raises(InputError, match=f"{file}: damaged, not a Parquet file; restore it from a backup"):
        dataset.table() if kind == "data" else dataset.assets()
