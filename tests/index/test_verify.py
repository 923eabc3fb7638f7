"""An index is proven whole, and free of what was taken away; each damage is told by file."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.check import Check
from embed.storage import store
from embed.storage.numbered_log import create_entry
from embed.tables import ID
from index.filter import parse_where
from index.live.compact import compact
from index.live.delete import delete
from index.parts.artifact import CODES, PROVENANCE_COPY, ROWS, Manifest, read_manifest
from index.parts.removed import removing, store_removed
from index.verify import verify_index
from tests.index.living import appended, asset, built

CHECKS = ["log", "files", "rows", "ids", "removed", "forgotten", "absence", "orphans"]
NOTHING = pa.array([], ID)


def found(url: str, forgotten: pa.Array | None = NOTHING) -> dict[str, Check]:
    findings = {finding.name: finding for finding in verify_index(url, forgotten=forgotten)}
    assert list(findings) == CHECKS
    return findings


def wrong(url: str, forgotten: pa.Array | None = NOTHING) -> dict[str, tuple[str, ...]]:
    problems = {name: tuple(one.what for one in check.problems) for name, check in found(url, forgotten).items()}
    return {name: lines for name, lines in problems.items() if lines}


def segment_file(tmp_path: Path, manifest: Manifest, name: str) -> Path:
    return tmp_path / "parts" / manifest.segments[0].part.name / name


@pytest.mark.parametrize("coded", [False, True], ids=["flat", "coded"])
def test_a_whole_index(tmp_path: Path, coded: bool) -> None:
    url, seen = str(tmp_path), []
    manifest = built(url, range(20), range(100, 104), coded)
    findings = verify_index(url, forgotten=NOTHING, seen=lambda: seen.append(1))
    assert not any(finding.problems for finding in findings)
    assert len(seen) == sum(len(part.files) for part in manifest.parts)
    figures = {finding.name: finding.figures for finding in findings}
    assert figures["rows"] == "24 that may be hits, in 2 segments"
    assert figures["ids"] == "24 segment ids, no two equal"
    assert (figures["absence"], figures["orphans"]) == ("nothing was removed", "none")


@pytest.mark.parametrize("name", [ROWS, PROVENANCE_COPY, CODES])
def test_a_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    path = segment_file(tmp_path, built(str(tmp_path), range(20), coded=True), name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.unlink()
    path.write_bytes(bytes(data))
    (problem,) = wrong(str(tmp_path))["files"]
    assert problem.endswith(f"/{name}: damaged, its sha256 is not the manifest's; {CURE}")


CURE = "build the index again with `deglu index SPEC`"


def test_missing_and_short_files_are_found(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(6))
    appended(url, range(8))
    path = segment_file(tmp_path, manifest, ROWS)
    data = path.read_bytes()
    path.unlink()
    name = f"parts/{manifest.segments[0].part.name}/{ROWS}"
    problems = wrong(url)
    assert problems["files"] == (f"{name}: missing; {CURE}",)
    assert set(problems) == {"files", "rows"}
    path.write_bytes(data[:-7])
    assert wrong(url)["files"] == (f"{name}: {len(data) - 7} bytes where the manifest says {len(data)}; {CURE}",)
    compact_free = read_manifest(url).model_copy(update={"version": 3, "segments": (), "rows": 0})
    create_entry(url, compact_free)
    assert wrong(url)["files"] == (f"{name} of version 1: has another size", f"{name} of version 2: has another size")


def test_a_manifest_that_tells_other_rows_is_found(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(6))
    (segment,) = manifest.segments
    lying = manifest.model_copy(update={"version": 2, "segments": (segment.model_copy(update={"rows": 7}),)})
    create_entry(url, lying)
    part = f"parts/{segment.part.name}"
    assert wrong(url)["rows"] == (
        f"{part}/{ROWS}: has shape (6, 8) where the manifest says (7, 8)",
        f"{part}/{PROVENANCE_COPY}: 6 rows where the manifest says 7",
        "the segments hold 7 rows that may be hits, the manifest says 6",
    )


def test_a_segment_that_is_there_twice_is_found(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(2))
    (segment,) = manifest.segments
    twice = (segment, segment.model_copy(update={"first_id": 2}))
    create_entry(url, manifest.model_copy(update={"version": 2, "segments": twice, "rows": 4}))
    assert found(url)["ids"].problems == ()  # the same part is one stretch of rows
    other = built(str(tmp_path / "other"), range(1, 4)).segments[0]
    for entry in store.listing(str(tmp_path / "other" / "parts")):
        store.write_bytes(entry.url.replace("/other/", "/"), store.read_bytes(entry.url))
    create_entry(url, manifest.model_copy(update={"version": 3, "segments": (segment, other), "rows": 5}))
    (problem,) = wrong(url)["ids"]
    assert problem.endswith("is stored more than once")


def test_removed_rows_are_told_until_they_are_gone(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(8))
    delete(url, parse_where("start = 3"))
    appended(url, [0, 1, 2, 3, 6, 7], forgotten=[4])
    forgotten = pa.array([asset(4)], ID)
    told = found(url, forgotten)
    assert not any(finding.problems for finding in told.values())
    still = "3 rows, 1 deleted, 3 rows still in files: `deglu index SPEC --compact` deletes them"
    assert told["removed"].figures == still
    assert "3 removed rows, 1 forgotten asset: 3 rows in 1 file; `deglu index" in told["absence"].figures
    compact(url)
    told = found(url, forgotten)
    assert not any(finding.problems for finding in told.values())
    assert told["removed"].figures == "1 row, 1 deleted"
    assert told["absence"].figures == "1 removed row, 1 forgotten asset: in no file, proven"
    assert told["log"].figures == "1 version, 3 removed by compactions"


def test_a_forgotten_asset_that_may_be_a_hit_is_a_problem(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(8))
    (problem,) = wrong(url, pa.array([asset(4)], ID))["forgotten"]
    assert "2 rows of assets that data/vectors has forgotten may be hits; run `deglu index SPEC --append`" in problem
    assert found(url, None)["forgotten"].figures == "not known: data/vectors cannot be read"


def test_a_removed_row_that_is_not_where_it_should_be_is_found(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(4))
    first = pq.read_table(segment_file(tmp_path, manifest, PROVENANCE_COPY)).slice(0, 1)
    rows = removing(first, np.array([0]), manifest.segments[0].part.name, "deleted", first=2)
    create_entry(url, manifest.model_copy(update={"version": 2, "removed": store_removed(url, rows), "rows": 3}))
    misplaced, back = wrong(url)["removed"]
    assert misplaced.endswith(f"is removed instead of {first['segment_id'][0].as_py().hex()}")
    assert back.startswith("1 deleted row of rows-text-")
    assert back.endswith("may be hits")


def test_what_a_killed_writer_left_is_told_and_looked_through(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(8))
    held = store.read_bytes(str(segment_file(tmp_path, manifest, PROVENANCE_COPY)))
    delete(url, parse_where("start = 3"))
    compact(url)
    store.write_bytes(store.join(url, "building", "key", "part", "text", PROVENANCE_COPY), held)
    told = found(url)
    assert "1 removed row, 0 forgotten assets: 1 row in 1 file" in told["absence"].figures
    assert re.match(r"1 file, \d+\.\d kB that no version names", told["orphans"].figures)
