"""Each store, read back by its own library: the same ids, the same cosines; and what happens on the way."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset import vectors as reader
from embed.dataset.forget import forget
from embed.dataset.publish import publish
from embed.encoder import truncate
from embed.errors import InputError, SpecError
from embed.exports import opensearch
from embed.exports.card import write_card
from embed.exports.export import Kept, export_vectors
from embed.exports.targets import TARGETS
from embed.storage.store import listing, read_bytes
from index.filter import parse_where
from tests.embed.vectors import begin, commit, manifest

Found = dict[str, list[float]]  # by id
TEXTS = {"a": ["one", 'two, "2"\n', "", "x\0y"], "b": ["four"], "c": ["vier", "fünf", "ששש"]}


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorsDataset:
    """Three parts of one file each; asset b is forgotten."""
    monkeypatch.setattr(reader, "PART_ROWS", 1)
    url = str(tmp_path / "vectors")
    job = begin(url)
    for name, texts in TEXTS.items():
        commit(job, name, *texts)
    publish(job, manifest(*TEXTS), file_bytes=1)
    forget(url, ["demo/b"])
    return open_dataset(url)


def _parquet(folder: Path) -> Found:
    files = str(folder / "data" / "*.parquet")
    by_duckdb = duckdb.sql(f"select id, vector from '{files}'").fetchall()
    by_polars = pl.read_parquet(files)
    assert dict(by_duckdb).keys() == set(by_polars["id"])
    assert str(duckdb.sql(f"select vector from '{files}'").types[0]) == "FLOAT[]"
    return {key: list(vector) for key, vector in by_duckdb}


def _npy(folder: Path) -> Found:
    found: Found = {}
    for file in sorted((folder / "data").glob("*.npy")):
        vectors = np.load(file, mmap_mode="r")
        assert vectors.dtype == np.float32
        ids = pq.read_table(file.with_suffix(".parquet"))["id"].to_pylist()
        found.update(zip(ids, vectors.tolist(), strict=True))
    return found


def _lance(folder: Path) -> Found:
    lance = pytest.importorskip("lance")
    table = lance.dataset(str(folder / "vectors.lance"))
    nearest = table.to_table(nearest={"column": "vector", "q": np.array([1, 0], np.float32), "k": 1})
    assert nearest["vector"][0].as_py() == [1, 0]
    return dict(zip(*(table.to_table()[name].to_pylist() for name in ("id", "vector")), strict=True))


def _sqlite(folder: Path) -> Found:
    apsw, sqlite_vec = pytest.importorskip("apsw"), pytest.importorskip("sqlite_vec")
    with apsw.Connection(str(folder / "vectors.db")) as connection:
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
        nearest = "select distance from vectors where vector match ? and k = 1"
        assert next(connection.execute(nearest, (np.array([1, 0], "<f4").tobytes(),)))[0] == pytest.approx(0)
        joined = connection.execute("select r.id, v.vector from vectors v join rows r on r.rowid = v.rowid")
        return {key: np.frombuffer(vector, "<f4").tolist() for key, vector in joined}


def _csv(folder: Path) -> Found:
    found: Found = {}
    script = (folder / "load.sql").read_text()
    for file in sorted((folder / "data").glob("*.csv")):
        assert f"\\copy deglu_vectors from 'data/{file.name}' with (format csv" in script
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8"))):
            assert len(row) == 13
            found[row[0]] = json.loads(row[-1])
    assert "vector vector(2) not null" in script.replace('"', "")
    return found


def _ndjson(folder: Path) -> Found:
    found: Found = {}
    for file in sorted((folder / "data").glob("*.ndjson")):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
        assert len(lines) <= 2 * 2, "a piece has at most two rows here"
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            assert document["metadata"] == {"station": "Dakar"}
            found[action["index"]["_id"]] = document["vector"]
    assert json.loads((folder / "mapping.json").read_text())["mappings"]["properties"]["vector"]["dimension"] == 2
    return found


def _milvus(folder: Path) -> Found:
    collection = json.loads((folder / "collection.json").read_text())
    tables = [pq.read_table(folder / name) for (name,) in collection["files"]]
    table = pa.concat_tables(tables)
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    assert table.column_names == [field["name"] for field in collection["fields"]]
    return dict(zip(table["id"].to_pylist(), table["vector"].to_pylist(), strict=True))


READERS: dict[str, Callable[[Path], Found]] = {
    "parquet": _parquet,
    "npy": _npy,
    "lance": _lance,
    "sqlite-vec": _sqlite,
    "pgvector": _csv,
    "opensearch": _ndjson,
    "milvus": _milvus,
}


def _wanted(dataset: VectorsDataset) -> Found:
    table = dataset.table(["segment_id", "vector"])
    vectors = truncate(np.array(table["vector"].to_pylist(), np.float32), 2)
    return {key.hex(): vector.tolist() for key, vector in zip(table["segment_id"].to_pylist(), vectors, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("to", TARGETS)
def test_a_store_has_every_row_once_also_after_a_stop_on_the_way(
    to: str, dataset: VectorsDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ctrl-C after the second part's first batch, then the same call."""
    monkeypatch.setattr(opensearch, "PIECE_ROWS", 2)
    out = tmp_path / to
    dealt: list[int] = []

    def stop(rows: int) -> None:
        dealt.append(rows)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_vectors(dataset, str(out), to, 2, report=stop)
    done = export_vectors(dataset, str(out), to, 2)
    assert dealt
    assert (done.rows, done.before) in ((7, 4), (7, 3))
    assert READERS[to](out) == _wanted(dataset)
    again = export_vectors(dataset, str(out), to, 2)
    assert (again.rows, again.before) == (7, 7)
    note = json.loads((out / "export.json").read_text())
    assert (note["rows"], note["complete"], note["dim"], note["to"]) == (7, True, 2, to)


@pytest.mark.slow
def test_the_library_of_hugging_face_opens_the_folder_by_its_card(dataset: VectorsDataset, tmp_path: Path) -> None:
    """In a process of its own: the library asks the environment whether it may use the network when it is imported."""
    export_vectors(dataset, str(tmp_path / "out"), "parquet", 2)
    assert "# Vectors of 2 text files" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    script = (
        "import datasets, json, sys\n"
        "loaded = datasets.load_dataset(sys.argv[1], split='train', cache_dir=sys.argv[2])\n"
        "print(json.dumps({row['id']: row['vector'] for row in loaded}))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out"), str(tmp_path / "cache")]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    assert json.loads(subprocess.run(command, env=offline, capture_output=True, check=True).stdout) == _wanted(dataset)


def test_a_card_of_a_dataset_is_never_replaced(dataset: VectorsDataset) -> None:
    assert write_card(dataset) == f"{dataset.url}/README.md"
    mine = Path(dataset.url) / "README.md"
    mine.write_text(mine.read_text(encoding="utf-8") + "\nMine.\n", encoding="utf-8")
    with pytest.raises(InputError, match="there is a card already"):
        write_card(dataset)
    assert mine.read_text(encoding="utf-8").endswith("Mine.\n")
    assert "# Vectors of 2 text files" in mine.read_text(encoding="utf-8")


def test_texts_come_through_csv_as_they_are(dataset: VectorsDataset, tmp_path: Path) -> None:
    """Without NUL, which PostgreSQL cannot store; an empty text is not a missing one."""
    export_vectors(dataset, str(tmp_path / "out"), "pgvector")
    text = "".join(file.read_text(encoding="utf-8") for file in sorted((tmp_path / "out" / "data").iterdir()))
    rows = list(csv.reader(io.StringIO(text)))
    assert sorted(row[10] for row in rows) == sorted(["one", 'two, "2"\n', "", "xy", "vier", "fünf", "ששש"])
    assert json.loads(rows[0][11]) == {"station": "Dakar"}
    assert {line.split(",")[4] for line in text.splitlines() if line.startswith('"') and line.count(",") > 12} == {""}


@pytest.mark.slow
def test_a_filter_and_the_full_width(dataset: VectorsDataset, tmp_path: Path) -> None:
    where = parse_where("uri = 'demo/c' and text <> 'vier'")
    done = export_vectors(dataset, str(tmp_path / "out"), "parquet", kept=Kept(where.text, where.mask))
    table = pq.read_table(tmp_path / "out" / "data")
    assert done.rows == table.num_rows == 2
    assert table["vector"].to_pylist() == [[0, 1, 0, 0], [0, 0, 1, 0]]
    none = parse_where("lang = 'wo'")
    with pytest.raises(InputError, match="no row to export where lang = 'wo'"):
        export_vectors(dataset, str(tmp_path / "none"), "parquet", kept=Kept(none.text, none.mask))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "faiss"}, "--to faiss: unknown; choose one of parquet, npy, lance"),
        ({"dim": 3}, "declares the dims 4, 2; choose one of these"),
        ({"dim": 4}, "dim was 2, now 4"),
        ({"to": "npy"}, "to was 'parquet', now 'npy'"),
    ],
)
def test_what_is_refused(change: dict[str, object], message: str, dataset: VectorsDataset, tmp_path: Path) -> None:
    export_vectors(dataset, str(tmp_path / "out"), "parquet", 2)
    settings = {"to": "parquet", "dim": 2, **change}
    with pytest.raises(SpecError, match=message):
        export_vectors(dataset, str(tmp_path / "out"), **settings)  # type: ignore[arg-type]


def test_a_folder_with_other_files_is_not_written_to(dataset: VectorsDataset, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(SpecError, match="there are files here"):
        export_vectors(dataset, str(tmp_path / "mine"), "parquet")


def test_a_damaged_marker_names_its_cure(dataset: VectorsDataset, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    export_vectors(dataset, out, "parquet")
    marker = Path(listing(f"{out}/parts")[0].url)
    marker.write_bytes(b"{")
    with pytest.raises(InputError, match="delete this file"):
        export_vectors(dataset, out, "parquet")
    marker.unlink()
    assert export_vectors(dataset, out, "parquet").before < 7
    assert sum(json.loads(read_bytes(one.url))["rows"] for one in listing(f"{out}/parts")) == 7


@pytest.mark.s3
def test_files_go_to_s3(dataset: VectorsDataset, s3_url: str) -> None:
    export_vectors(dataset, f"{s3_url}/out", "parquet", 2)
    assert export_vectors(dataset, f"{s3_url}/out", "parquet", 2).before == 7
    for to in ("lance", "sqlite-vec"):
        with pytest.raises(SpecError, match="local folder"):
            export_vectors(dataset, f"{s3_url}/{to}", to, 2)
