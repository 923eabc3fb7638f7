"""Segments become one without what was removed; a compaction may be killed anywhere and run again."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embed.errors import InputError
from embed.storage import store
from embed.storage.numbered_log import numbers
from index.filter import parse_where
from index.live import purge as purge_module
from index.live.compact import compact, merge, to_merge
from index.live.delete import delete
from index.parts.artifact import Manifest, PartEntry, SegmentEntry, read_manifest
from index.parts.removed import read_removed
from tests.index.living import MEMORY, appended, built, live


def entries(*rows: int) -> list[SegmentEntry]:
    starts = [sum(rows[:place]) for place in range(len(rows))]
    return [
        SegmentEntry(
            part=PartEntry(name=f"rows-{place}", files={}),
            modality="text",
            first_id=first,
            rows=count,
            coded=False,
            encoder="e",
            drift=None,
        )
        for place, (first, count) in enumerate(zip(starts, rows, strict=True))
    ]


@pytest.mark.parametrize(
    ("rows", "merged"),
    [
        ((1000,), ()),
        ((1_000_000, 10), ()),
        ((1_000_000, 10, 10, 10, 10), ()),
        ((1_000_000, 10, 10, 10, 10, 10), (10, 10, 10, 10, 10)),
        ((1_000_000, 30_000, 30_000), (30_000, 30_000)),
        ((1_000_000, 60_000, 10_000), ()),  # what is new is small beside what was merged before
        ((1_000_000, 60_000, 10_000, 10_000), (10_000, 10_000, 60_000)),
        ((1000, 200), ()),
        ((1000, 300), (300, 1000)),
        ((4, 4), (4, 4)),
        ((1_000_000, 200_000, 60_000), (60_000, 200_000, 1_000_000)),
    ],
    ids=str,
)
def test_which_segments_are_merged(rows: tuple[int, ...], merged: tuple[int, ...]) -> None:
    assert tuple(entry.rows for entry in to_merge(entries(*rows))) == merged


def test_a_row_is_rewritten_a_few_times_and_segments_stay_few() -> None:
    """A thousand appends of a thousand rows to an index of a hundred thousand."""
    segments, rewritten = entries(100_000), 0
    for _ in range(1000):
        segments += entries(1000)
        if chosen := to_merge(segments):
            rows = sum(entry.rows for entry in chosen)
            segments = [entry for entry in segments if entry not in chosen] + entries(rows)
            rewritten += rows
        assert len(segments) <= 9
    assert rewritten < 12 * 1_100_000


def growing(url: str, coded: bool = False) -> None:
    """Rows 0 to 29 of text and 100 to 103 of speech, then more text, and some of it deleted."""
    built(url, range(30), range(100, 104), coded)
    appended(url, range(33), range(100, 104))
    appended(url, range(2, 35), range(100, 104), forgotten=[0, 1])
    delete(url, parse_where("start = 5 or start = 31"))


KEPT = [n for n in range(2, 35) if n not in (5, 31)] + [100, 101, 102, 103]


@pytest.mark.slow
@pytest.mark.parametrize("coded", [False, True], ids=["flat", "coded"])
def test_compaction_leaves_one_segment_without_removed_rows(tmp_path: Path, coded: bool) -> None:
    url = str(tmp_path)
    growing(url, coded)
    before = read_manifest(url)
    assert (len(before.segments), live(url)) == (4, KEPT)
    told = compact(url)
    assert (told.published, told.versions_removed) == (True, (1, 2, 3, 4))
    after = read_manifest(url)
    assert [(entry.modality, entry.first_id, entry.rows) for entry in after.segments] == [
        ("speech", 0, 4),
        ("text", 4, 31),
    ]
    assert (live(url), after.rows, after.modalities) == (KEPT, 35, before.modalities)
    removed = read_removed(url, after).to_pylist()
    assert [(row["reason"], row["part"]) for row in removed] == [("deleted", None), ("deleted", None)]
    assert parts_in(url) == {part.name for part in after.parts}
    assert compact(url).published is False
    assert read_manifest(url) == after


def parts_in(url: str) -> set[str]:
    return {entry.url.split("/")[-2] for entry in store.listing(store.join(url, "parts"))}


def test_an_untouched_modality_keeps_its_part(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(8), range(100, 104))
    delete(url, parse_where("start = 3"))
    before, after = read_manifest(url, 1), compact(url).manifest
    assert after.segments[0].part == before.segments[0].part
    assert (after.segments[0].first_id, after.segments[1].first_id) == (0, 4)
    assert live(url) == [0, 1, 2, 4, 5, 6, 7, 100, 101, 102, 103]


def test_a_modality_of_which_all_was_removed_has_no_segment(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(4), range(100, 104))
    delete(url, parse_where("modality = 'text'"))
    manifest = compact(url).manifest
    assert ([entry.modality for entry in manifest.segments], set(manifest.modalities)) == (["speech"], {"speech"})
    appended(url, range(6), range(100, 104))
    assert live(url) == [4, 5, 100, 101, 102, 103]


@pytest.mark.slow
def test_merging_is_a_version_with_the_same_rows(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(100))
    appended(url, range(110))
    appended(url, range(120))
    delete(url, parse_where("start = 3 or start = 115"))
    assert merge(url).published is False
    appended(url, range(150))
    rows = live(url)
    told = merge(url)
    assert (told.published, len(told.manifest.segments), live(url), live(url, 5)) == (True, 1, rows, rows)
    assert merge(url).published is False
    assert len(read_removed(url, told.manifest)) == 2


Killer = Callable[[int], None]


class Killed(Exception):
    pass


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """`kill_after(n)`: from now on, the storage's step n + 1 that changes anything does not happen, nor any later."""
    real = {name: getattr(store, name) for name in ("move_in", "create_exclusive", "write_bytes", "delete")}

    def at(count: int) -> None:
        left = [count]

        def guarded(name: str) -> Any:
            def step(*arguments: Any) -> Any:
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                return real[name](*arguments)

            return step

        for name in real:
            monkeypatch.setattr(store, name, guarded(name))
        for name in ("write_bytes", "delete"):
            monkeypatch.setattr(purge_module, name, guarded(name))

    return at


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_compaction_that_is_killed_anywhere_is_run_again(memory: Path, kill_after: Killer) -> None:
    growing(str(memory / "grown"))
    whole = shutil.copytree(memory / "grown", memory / "whole")
    wanted = compact(str(whole)).manifest
    for step in range(100):
        url = str(shutil.copytree(memory / "grown", memory / str(step)))
        kill_after(step)
        try:
            compact(url)
            break
        except Killed:
            kill_after(-1)
        assert live(url) == KEPT
        compact(url)
        same_end(url, wanted)
    assert 15 < step < 60  # files stored, a manifest, notes, parts


def same_end(url: str, wanted: Manifest) -> None:
    found = read_manifest(url)
    assert found.segments == wanted.segments
    assert (found.removed, found.version, live(url)) == (wanted.removed, wanted.version, KEPT)
    assert parts_in(url) == {part.name for part in found.parts}
    assert [version for version in numbers(url) if readable(url, version)] == [found.version]


def readable(url: str, version: int) -> bool:
    try:
        return read_manifest(url, version).version == version
    except InputError:
        return False
