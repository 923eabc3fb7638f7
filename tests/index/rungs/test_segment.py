"""One segment: what each stage sees, by eye and beside plain code; and files that are none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.encoder import truncate
from embed.errors import StorageError
from index.ask.searcher import Index
from index.contracts import Searcher
from index.faiss_library import library
from index.kept import Kept
from index.neighbours import scan
from index.parts.artifact import CODES, ROWS, ROWS_8, SCALES, PartEntry, SegmentEntry
from index.rungs import segment as segment_module
from index.rungs.coder import Coder
from index.rungs.segment import Segment
from tests.index import shelves
from tests.index.shelves import WIDTH, clustered, coder_of

FIRST = 70


@pytest.fixture(scope="module")
def coder() -> Coder:
    return coder_of(clustered(600, 1))


@pytest.fixture(scope="module")
def coded(coder: Coder) -> Segment:
    return shelves.segment(clustered(600, 1), coder, FIRST)


def _all_lists(coder: Coder, queries: Any) -> tuple[Any, Any, Any]:
    """The queries as the coder orders dims, every list, and the cosines to the middles."""
    cut = np.ascontiguousarray(queries[:, coder.order])
    return cut, np.tile(np.arange(coder.lists), (len(cut), 1)), np.ascontiguousarray(cut @ coder.centroids.T)


def test_the_index_keeps_the_searcher_contract() -> None:
    def promised(index: Index) -> Searcher:
        return index  # mypy compares the signatures

    assert promised.__annotations__["return"] is Searcher


def test_lists_are_those_the_rows_were_put_into(coder: Coder, coded: Segment) -> None:
    assert coded.lists().tolist() == coder.lists_of(coded.rows).tolist()
    assert coded.list_sizes().tolist() == np.bincount(coded.lists(), minlength=coder.lists).tolist()
    assert coded.coded
    assert not shelves.segment(clustered(3, 1)).coded


def test_the_scan_reads_the_lists_it_is_given(coder: Coder, coded: Segment) -> None:
    queries, lists, near = _all_lists(coder, clustered(2, 2))
    lists[0, 1:] = -1
    lists[1, 3:] = -1
    found = coded.scan(queries, lists, near, 600, None)
    for row, read in zip(found, lists, strict=True):
        expected = np.flatnonzero(np.isin(coded.lists(), read[read >= 0]))
        assert np.sort(row[row >= 0]).tolist() == expected.tolist()


@pytest.mark.parametrize("count", [1, 20, 700])
def test_the_scan_keeps_what_the_selector_keeps(count: int, coder: Coder, coded: Segment) -> None:
    kept = np.arange(600) % 7 == 3
    selector = library().IDSelectorBitmap(np.packbits(kept, bitorder="little"))
    found = coded.scan(*_all_lists(coder, clustered(4, 2)), count, selector)
    assert kept[found[found >= 0]].all()
    assert ((found >= 0).sum(axis=1) == min(count, kept.sum())).all()


def test_a_scan_in_a_batch_is_the_scan_alone(coder: Coder, coded: Segment) -> None:
    cut, lists, near = _all_lists(coder, clustered(70, 2))
    together = coded.scan(cut, lists, near, 100, None)
    for at in (0, 33, 69):
        alone = coded.scan(cut[[at]], lists[[at]], near[[at]], 100, None)
        assert np.sort(alone[0]).tolist() == np.sort(together[at]).tolist()


def test_the_scan_and_then_the_ranks_narrow_down_to_the_best(coder: Coder, coded: Segment) -> None:
    queries = clustered(40, 3)
    true = scan(queries, coded.rows, 10, WIDTH)
    candidates = coded.scan(*_all_lists(coder, queries), 100, None)
    ranked = coded.rank(queries, candidates, WIDTH, 20)
    hits = coded.exact(queries, ranked, WIDTH, 10)
    assert all({*few} <= {*many} for few, many in zip(ranked, candidates, strict=True))
    shares = [np.mean([np.isin(own, some).mean() for own, some in zip(true.ids, stage, strict=True)])
              for stage in (candidates, ranked, hits.ids - FIRST)]  # fmt: skip
    assert shares[0] > 0.9
    assert shares[1] >= shares[0] - 0.005  # of 20 by 8 bits nearly all that the scan has found
    assert shares[2] == shares[1]


@pytest.mark.parametrize("dim", [WIDTH, 6])
@pytest.mark.parametrize("kept", [None, np.arange(600) % 9 == 0, np.zeros(600, bool)], ids=["all", "some", "none"])
def test_reading_all_is_brute_force_however_many_ask(dim: int, kept: Any, coded: Segment) -> None:
    queries = np.zeros((segment_module.FEW + 2, WIDTH), np.float32)
    queries[:, :dim] = truncate(clustered(len(queries), 4), dim)
    cosines = queries[:, :dim] @ truncate(coded.rows.astype(np.float32), dim).T
    places = np.arange(600) if kept is None else np.flatnonzero(kept)
    best = [places[np.argsort(-row[places])][:5] + FIRST for row in cosines]
    for some in (queries, queries[: segment_module.FEW]):
        hits = coded.read_all(some, dim, 5, None if kept is None else Kept(kept))
        for row, scores, expected, of in zip(hits.ids, hits.scores, best, cosines, strict=False):
            assert row[row >= 0].tolist() == expected.tolist()
            np.testing.assert_allclose(scores[row >= 0], of[expected - FIRST], atol=1e-5)


def _store(segment: Segment, folder: Path) -> SegmentEntry:
    np.save(folder / ROWS, segment.rows)
    if segment.coded:
        scales, small = shelves.in_bytes(np.asarray(segment.rows))
        np.save(folder / ROWS_8, small)
        np.save(folder / SCALES, scales)
        library().write_index(segment.codes, str(folder / CODES))
    part = PartEntry(name="rows-text-0", files={})
    return SegmentEntry(
        part=part, modality="text", first_id=FIRST, rows=len(segment), coded=segment.coded, encoder="e", drift=None
    )


def test_a_stored_segment_is_the_same(tmp_path: Path, coder: Coder, coded: Segment) -> None:
    loaded = Segment.load(tmp_path, _store(coded, tmp_path))
    assert (loaded.modality, loaded.first_id, len(loaded)) == ("text", FIRST, 600)
    assert loaded.lists().tolist() == coded.lists().tolist()
    queries, wanted = clustered(5, 5), _all_lists(coder, clustered(5, 5))
    assert loaded.scan(*wanted, 50, None).tolist() == coded.scan(*wanted, 50, None).tolist()
    for dim in (WIDTH, 6):
        every = np.arange(600)[None]
        assert loaded.rank(queries, every, dim, 20).tolist() == coded.rank(queries, every, dim, 20).tolist()
        assert loaded.exact(queries, every, dim, 20).ids.tolist() == coded.exact(queries, every, dim, 20).ids.tolist()


def _reordered() -> Any:
    coder = coder_of(clustered(600, 1))
    lists = coder.lists_of(clustered(600, 1))
    return coder.codes([clustered(600, 1)], lists)


def _shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _fewer(file: Path) -> None:
    np.save(file, np.load(file)[:-1])


def _as(kind: Any) -> Any:
    return lambda file: np.save(file, np.load(file).astype(kind))


@pytest.mark.parametrize(
    ("name", "spoil", "problem"),
    [
        (CODES, _shorten, "unreadable segment"),
        (ROWS, _shorten, "unreadable segment"),
        (ROWS_8, Path.unlink, "unreadable segment"),
        (SCALES, lambda file: file.write_bytes(b"x" * 99), "unreadable segment"),
        (ROWS, _fewer, r"holds \[599, 600\] rows where the manifest says 600"),
        (SCALES, _fewer, r"holds \[599, 600\] rows where the manifest says 600"),
        (ROWS, _as(np.float32), r"unreadable segment \(rows.f16.npy is float32 \[600, 16\], not float16"),
        (ROWS_8, _as(np.uint8), r"unreadable segment \(rows.i8.npy is uint8 \[600, 16\], not int8"),
        (SCALES, _as(np.float64), r"unreadable segment \(scales.f32.npy is float64 \[600\], not float32"),
        (ROWS_8, lambda file: np.save(file, np.load(file)[:, 1:]), r"8-bit rows of shape \[600, 15\]"),
        (ROWS_8, lambda file: np.save(file, np.asfortranarray(np.load(file))), "not int8 of 2 axes by row"),
        (CODES, lambda file: library().write_index(_reordered(), str(file)), "not in the order of its rows"),
    ],
    ids=[
        "half the codes",
        "half the rows",
        "no 8-bit rows",
        "no scales",
        "a row less",
        "a scale less",
        "wide rows",
        "unsigned",
        "wide scales",
        "narrow",
        "by column",
        "another order",
    ],
)
def test_files_that_are_no_segment(name: str, spoil: Any, problem: str, tmp_path: Path, coded: Segment) -> None:
    entry = _store(coded, tmp_path)
    spoil(tmp_path / name)
    with pytest.raises(StorageError, match=problem):
        Segment.load(tmp_path, entry)
