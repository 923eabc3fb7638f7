"""Merging: the same bytes however the rows were cut, and 8-bit rows that stand for the 16-bit ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from embed.tables import PROVENANCE
from index.building import merge as merge_module
from index.building.merge import Source, segment_entry, write_segment
from index.building.shard import write_shard
from index.parts.artifact import FileEntry
from index.rungs.coder import Coder, train_coder

ROWS, WIDTH = 500, 16


@pytest.fixture(scope="module")
def rows(nested_rows: Any) -> Any:
    return nested_rows(ROWS, WIDTH, 1).astype(np.float16)


@pytest.fixture(scope="module")
def coder(rows: Any) -> Coder:
    return train_coder(rows, 4, WIDTH, 8)


def _sources(vectors: Any, coder: Coder | None, folder: Path, keep: Any = None) -> list[Source]:
    made = []
    for number, part in enumerate(vectors.parts()):
        write_shard(part, {"text": coder}, folder / str(number), "data")
        made.append(_source(folder / str(number) / "text", coder is not None))
    return made


def _source(folder: Path, coded: bool, keep: Any = None) -> Source:
    lists = np.load(folder / "lists.i32.npy") if coded else None
    return Source(np.load(folder / "rows.f16.npy", mmap_mode="r"), lists, folder / "provenance.parquet", keep)


def _merged(sources: Sequence[Source], coder: Coder | None, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    write_segment(sources, coder, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("coded", [False, True], ids=["flat", "coded"])
def test_the_bytes_do_not_depend_on_the_cut(
    coded: bool, tmp_path: Path, rows: Any, coder: Coder, vectors_of: Any, as_vectors: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(merge_module, "SLICE_ROWS", 128)
    monkeypatch.setattr(merge_module, "READ_ROWS", 50)
    monkeypatch.setattr(merge_module, "CHUNK_ROWS", 60)
    table, used = vectors_of(text=rows, dims=(WIDTH,)).table, coder if coded else None
    shuffled = table.take(np.random.default_rng(0).permutation(ROWS))
    one = _merged(_sources(as_vectors(table, (WIDTH,)), used, tmp_path / "1"), used, tmp_path / "one")
    parts = as_vectors(shuffled, (WIDTH,), batch_rows=33, part_rows=77)
    many = _merged(_sources(parts, used, tmp_path / "7"), used, tmp_path / "many")
    assert one == many
    files = {"rows.f16.npy", "provenance.parquet"}
    assert set(one) == (files | {"codes.faiss", "rows.i8.npy", "scales.f32.npy"} if coded else files)


def test_every_file_is_in_one_order(tmp_path: Path, rows: Any, coder: Coder, vectors_of: Any) -> None:
    vectors = vectors_of(text=rows, dims=(WIDTH,))
    _merged(_sources(vectors, coder, tmp_path / "shards"), coder, tmp_path / "whole")
    table = pq.read_table(tmp_path / "whole" / "provenance.parquet")
    assert table.schema.equals(PROVENANCE)
    numbers = [int(dict(row)["number"]) for row in table["metadata"].to_pylist()]
    merged = np.load(tmp_path / "whole" / "rows.f16.npy")
    assert (merged == rows[numbers]).all()
    lists = coder.lists_of(merged)
    keys = list(zip(lists.tolist(), table["segment_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    small, scales = (np.load(tmp_path / "whole" / name) for name in ("rows.i8.npy", "scales.f32.npy"))
    assert (np.abs(small).max(axis=1) == 127).all()
    assert np.abs(small * scales[:, None] - merged).max() <= scales.max() / 2 + 1e-6


def test_segments_merge_like_shards_and_rows_can_be_left_out(
    tmp_path: Path, rows: Any, coder: Coder, vectors_of: Any, as_vectors: Any
) -> None:
    table = vectors_of(text=rows, dims=(WIDTH,)).table
    (kept,) = _sources(as_vectors(table.slice(100), (WIDTH,)), coder, tmp_path / "kept")
    expected = _merged([kept], coder, tmp_path / "expected")
    (all_rows,) = _sources(as_vectors(table, (WIDTH,)), coder, tmp_path / "all")
    gone = set(table["segment_id"].to_pylist()[:100])
    ids = pq.read_table(all_rows.provenance)["segment_id"].to_pylist()
    keep = np.array([one not in gone for one in ids])
    assert _merged([_source(tmp_path / "all/0/text", True, keep)], coder, tmp_path / "found") == expected
    nothing = _source(tmp_path / "all/0/text", True, np.zeros(ROWS, bool))
    assert _merged([nothing, kept], coder, tmp_path / "again") == expected


def test_the_entry_of_a_segment(tmp_path: Path, rows: Any, vectors_of: Any) -> None:
    _merged(_sources(vectors_of(text=rows, dims=(WIDTH,)), None, tmp_path / "shards"), None, tmp_path / "whole")
    entry = segment_entry(tmp_path / "whole", "text", 7, "encoder", False, None)
    assert (entry.first_id, entry.rows, entry.coded, entry.drift) == (7, ROWS, False, None)
    assert entry.part.name.startswith("rows-text-")
    assert all(isinstance(file, FileEntry) for file in entry.part.files.values())
