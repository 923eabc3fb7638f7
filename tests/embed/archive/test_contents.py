"""Files with other times: their content decides, where a digest of it was kept."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from embed import identity
from embed.archive.contents import Contents, Touched, digests_of
from embed.archive.inputs import InputSpec
from embed.archive.manifest import Listed, list_inputs
from embed.segmentation.cut import cut
from embed.segmentation.units import plan_units
from embed.tables import LEDGER, ledger_row
from tests.embed.sounds import CUTTING, LETTERS


def sound(seconds: float) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, 0.5 * np.sin(np.arange(int(seconds * 16_000)) / 6), 16_000, format="WAV")
    return memory.getvalue()


def archive(folder: Path) -> None:
    (folder / "notes.txt").write_text("The market opens at six.\n")
    (folder / "page.html").write_text("<p>Rain is expected.")
    (folder / "docs.jsonl").write_text('{"text": "The price of rice."}\n')
    (folder / "clip.wav").write_bytes(sound(3))
    lines = ({"audio_filepath": "clip.wav", "offset": start, "duration": 1} for start in (0, 1.5))
    (folder / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "long.wav").write_bytes(sound(2))
    rows = [{"bytes": sound(1), "path": "a.wav"}, {"bytes": sound(2), "path": "b.wav"}]
    pq.write_table(pa.table({"audio": rows}), folder / "table.parquet")


def touch(folder: Path, seconds: int) -> None:
    for path in folder.iterdir():
        os.utime(path, (seconds, seconds))


def listed(folder: Path, known: pa.Table | None = None, ledger: pa.Table | None = None) -> Listed:
    kept = LEDGER.empty_table() if ledger is None else ledger
    return list_inputs([InputSpec(url=str(folder), name="in")], known, contents=Contents(lambda: digests_of(kept)))


def ledger_of(assets: pa.Table) -> pa.Table:
    units = cut(plan_units(assets, CUTTING), CUTTING, LETTERS).to_pylist()
    return pa.Table.from_pylist([ledger_row(unit, "embedded", digest=unit["digest"]) for unit in units], schema=LEDGER)


def test_files_with_other_times_keep_their_units_and_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path)
    first = listed(tmp_path).assets
    ledger = ledger_of(first)
    assert ledger["digest"].null_count == 1  # the second row of the table
    units = plan_units(first, CUTTING)["unit_id"]

    touch(tmp_path, 1_000_000_000)
    read: list[str] = []
    digest = identity.stream_digest

    def reading(stream: Any) -> bytes:
        read.append(stream.raw.name)
        return digest(stream)

    monkeypatch.setattr(identity, "stream_digest", reading)
    second = listed(tmp_path, first, ledger)
    assert plan_units(second.assets, CUTTING)["unit_id"] == units
    assert second.assets["as_listed"].null_count == 0
    assert sorted(Path(name).name for name in read) == [
        *("clip.wav", "docs.jsonl", "long.wav", "notes.txt", "page.html", "table.parquet"),
    ]
    (note,) = second.notes
    assert note.startswith("6 files with other times and the size of before, ")
    assert note.endswith("read to compare; 6 unchanged, 0 changed")

    again = listed(tmp_path, second.assets, ledger)  # known by now: nothing is read
    assert (again.assets.equals(second.assets), again.notes, len(read)) == (True, (), 6)


def test_other_content_of_the_same_size_is_changed(tmp_path: Path) -> None:
    archive(tmp_path)
    first = listed(tmp_path).assets
    ledger = ledger_of(first)
    (tmp_path / "notes.txt").write_text("The market closes at ten"[:24] + "\n")
    (tmp_path / "page.html").write_text("<p>Another size.")
    touch(tmp_path, 1_000_000_000)
    second = listed(tmp_path, first, ledger)
    before, now = (
        dict(zip(*table.select(["uri", "content_version"]).to_pydict().values(), strict=True))
        for table in (first, second.assets)
    )
    assert {uri for uri in now if now[uri] != before[uri]} == {"in/notes.txt", "in/page.html"}
    assert second.notes[0].endswith("read to compare; 4 unchanged, 1 changed")


def test_without_a_digest_a_time_is_a_change(tmp_path: Path) -> None:
    archive(tmp_path)
    first = listed(tmp_path).assets
    touch(tmp_path, 1_000_000_000)
    second = listed(
        tmp_path,
        first,
        ledger_of(first)
        .drop_columns(["digest"])
        .append_column(LEDGER.field("digest"), pa.nulls(first.num_rows, pa.binary(16))),
    )
    assert not set(second.assets["content_version"].to_pylist()) & set(first["content_version"].to_pylist())
    assert second.notes == ()


def test_a_file_that_changes_while_it_is_read_has_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")

    def changing(stream: io.BufferedReader) -> bytes:
        os.utime(path, (1, 1))
        return b"x" * 16

    kept = {(b"a" * 16, "size:3;mtime:0"): b"x" * 16}
    assets = [Touched(b"a" * 16, "size:3;mtime:0", str(path), 3)]
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(identity, "stream_digest", lambda stream: b"x" * 16)
        assert Contents(lambda: kept).unchanged(assets, pool) == [True]
        monkeypatch.setattr(identity, "stream_digest", changing)
        assert Contents(lambda: kept).unchanged(assets, pool) == [False]
