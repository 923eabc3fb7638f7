"""The audit of real questions: what it finds, what it costs, and that it ends, whatever happens to the process."""

import gc
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.errors import SpecError, StorageError
from index.ask.searcher import Index, open_index
from index.audit import auditor
from index.audit.auditor import Auditor, Searched
from index.audit.counts import Counts, found
from index.audit.files import read_audit
from index.calibration import calibrate, questions
from index.contracts import Hits, SearchRequest
from index.filter import parse_where
from index.live import delete
from index.parts.artifact import Manifest, read_manifest
from tests.index.living import appended, built
from tests.index.shelves import clustered

ROWS, WIDTH = 1_500, 96
TEXT = SearchRequest(10, "text", recall=0.95)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "deglu-audit"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, vectors_of: Any, build_at: Any) -> str:
    url = str(tmp_path_factory.mktemp("audit") / "index")
    vectors = vectors_of(text=clustered(ROWS, 1, WIDTH), speech=clustered(100, 2, WIDTH), dims=(WIDTH, 48))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions, "ROW_QUESTIONS", 800)
        for name, value in (("DEPTHS", 24), ("SURVIVORS", 12)):
            patch.setattr(calibrate, name, value)
        build_at(url, vectors, ladder="coded", code_bits=2)
    return url


def asking(seed: int, count: int = 200) -> Any:
    return clustered(count, seed, WIDTH)


def audited(index: Index) -> Counts:
    """The counts, once nothing waits."""
    assert index._auditor is not None
    assert index._auditor.wait(60)
    return index._auditor.counts


def one_by_one(index: Index, queries: Any, request: SearchRequest) -> None:
    for place in range(len(queries)):
        index.search(queries[place : place + 1], request)
        audited(index)


def falsified(index: Index) -> Index:
    """As if its curves had been measured on other questions: every depth and shortlist is too small."""
    for shelf in index._shelves.values():
        shelf.curves = tuple(
            curve.model_copy(
                update={
                    "points": tuple(
                        point.model_copy(update={"setting": point.setting.deeper(-6.0, 0.3)}) for point in curve.points
                    )
                }
            )
            for curve in shelf.curves
        )
    return index


@pytest.mark.slow
def test_a_healthy_index_keeps_its_promise_and_a_broken_one_is_reported(
    whole: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest, alarms = read_manifest(whole), 0
    for seed in range(3):
        with open_index(whole, audit=0.5) as index:
            one_by_one(index, asking(10 + seed), TEXT)
            alarms += sum(row.broken for row in found(audited(index)))
    assert alarms == 0
    assert not caplog.records
    healthy = read_audit(whole, manifest)
    assert healthy.counts.asked == 600
    assert 200 < healthy.counts.audited < 400
    (row,) = found(healthy.counts)
    assert row.promised == 0.95
    assert row.low < row.recall < row.high
    # Falsified, it finds far less.
    with falsified(open_index(whole, audit=1.0)) as index:
        one_by_one(index, asking(20), TEXT)
        (row,) = found(audited(index))
    assert row.recall < 0.9
    assert row.broken
    (message,) = [record.getMessage() for record in caplog.records]
    assert "recall 0.95 was promised" in message
    assert "--set questions=FILE" in message


@pytest.mark.slow
def test_the_share_audited_is_the_share_found(whole: str) -> None:
    """For text, speech and both, with filters, excluded rows, other widths and batches: against all rows read."""
    queries, where = asking(30, 40), parse_where("metadata['number'] like '%1%'")
    requests = [
        TEXT,
        SearchRequest(10, "speech", recall=0.9),
        SearchRequest(10, recall=0.9),
        SearchRequest(3, recall=0.9, where=where),
        SearchRequest(20, "text", recall=0.9, dim=48, exclude=[[number, 500 + number] for number in range(40)]),
        SearchRequest(10, "text"),  # the recall of the index's spec
    ]
    for request in requests:
        with falsified(open_index(whole, audit=1.0)) as index:
            hits = index.search(queries, request)
            counts = audited(index)
        own = {**vars(request), "recall": 1.0}
        true = open_index(whole).search(queries, SearchRequest(**own))
        shares = [
            len({*some.tolist()} & {*best.tolist()}) / request.k for some, best in zip(hits.ids, true.ids, strict=True)
        ]
        if counts.exact:
            assert (counts.exact, counts.audited) == (40, 0)
            assert min(shares) == 1
            continue
        (kind,) = counts.shares
        assert (kind.promised, kind.filtered) == (request.recall or 0.99, request.where is not None)
        assert sorted(counts.shares[kind].elements()) == pytest.approx(sorted(shares), abs=0.001)


@pytest.mark.slow
def test_what_has_no_promise_is_not_audited(whole: str) -> None:
    with open_index(whole, audit=1.0) as index:
        for request in (SearchRequest(recall=1.0), SearchRequest(budget_ms=5.0)):
            index.search(asking(1, 3), request)
        assert audited(index) == Counts()
        index.search(asking(1, 3), SearchRequest(recall=0.9, where=parse_where("start < 50")))  # five rows
        counts = audited(index)
        assert (counts.asked, counts.exact, counts.audited) == (3, 3, 0)
    with open_index(whole) as index:
        assert index._auditor is None
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(SpecError, match="must be from 0 to 1"):
            open_index(whole, audit=wrong)


@pytest.mark.slow
def test_questions_are_sampled_without_a_look_and_dropped_where_too_many_wait(whole: str) -> None:
    queries = asking(40, 300)
    with open_index(whole, audit=1.0) as index:
        assert index._auditor is not None
        with index._auditor:  # a search that runs all the time
            index.search(queries, TEXT)
            assert index._auditor.counts.dropped >= 300 - auditor.QUEUE - 2
        index.close()
        counts = index._auditor.counts
        assert counts.asked == counts.audited + counts.dropped == 300
        assert (index.search(queries, TEXT).ids == open_index(whole).search(queries, TEXT).ids).all()


class Halves:
    """Answers that hold half of what was found."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def here(self) -> "Halves":
        return self

    def __call__(self, query: Any, request: SearchRequest, kept: Any, pause: Any) -> Hits:
        pause()
        self.asked.append(float(query[0, 0]))
        return Hits(np.array([[1, 2]]), np.array([[0.9, 0.8]], np.float32))


def small(tmp_path: Path) -> tuple[str, Manifest]:
    return str(tmp_path / "index"), built(str(tmp_path / "index"), text=range(4))


def searched(first: int, count: int) -> Searched:
    hits = Hits(np.tile([1, 9], (count, 1)), np.tile(np.array([0.9, 0.1], np.float32), (count, 1)))
    queries = np.arange(first, first + count, dtype=np.float32)[:, None]
    return Searched(queries, TEXT, 0.95, {}, hits, exact=False)


def offer(made: Auditor, search: Searched) -> None:
    if chosen := made.drawn(len(search.queries)):
        made.offer(search, chosen)


@pytest.mark.slow
def test_the_sample_depends_on_the_seed_alone(tmp_path: Path) -> None:
    url, manifest = small(tmp_path)
    chosen = []
    for seed, sizes in ((1, [1_000]), (1, [1] * 300 + [700]), (2, [1_000])):
        halves = Halves()
        made, first = Auditor(url, manifest, 0.05, halves.here, seed), 0
        for size in sizes:
            with made:
                offer(made, searched(first, size))
            assert made.wait(30)
            first += size
        made.close()
        chosen.append(halves.asked)
        assert found(made.counts)[0].recall == 0.5
    assert chosen[0] == chosen[1] != chosen[2]
    assert 25 < len(chosen[0]) < 80


@pytest.mark.slow
def test_a_search_that_runs_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "PATIENCE_S", 60.0)
    halves, (url, manifest) = Halves(), small(tmp_path)
    made = Auditor(url, manifest, 1.0, halves.here)
    with made:
        offer(made, searched(0, 1))
        assert not made.wait(0.2)
        assert not halves.asked
    assert made.wait(30)
    assert halves.asked
    made.close()


@pytest.mark.slow
def test_what_fails_is_counted_and_no_error_of_a_search(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> Hits:
        raise StorageError("rows.f16.npy: cannot be read")

    url, manifest = small(tmp_path)
    made = Auditor(url, manifest, 1.0, lambda: broken)
    with made:
        offer(made, searched(0, 3))
    assert made.wait(30)
    made.close()
    assert (made.counts.failed, made.counts.audited) == (3, 0)
    assert "a question could not be audited: rows.f16.npy" in caplog.text
    assert read_audit(url, manifest).counts.failed == 3


@pytest.mark.slow
def test_an_index_that_is_forgotten_ends_its_audit(whole: str) -> None:
    manifest = read_manifest(whole)
    before = read_audit(whole, manifest).counts.asked
    index = open_index(whole, audit=1.0)
    index.search(asking(50, 2), TEXT)
    audited(index)
    del index
    gc.collect()
    assert read_audit(whole, manifest).counts.asked == before + 2


@pytest.mark.slow
def test_a_version_has_its_own_counts(tmp_path: Path) -> None:
    url, _ = small(tmp_path)
    for version, number in ((1, 2), (2, 3)):
        index = open_index(url, audit=1.0)
        index.search(np.ones((number, 8), np.float32), SearchRequest(recall=0.9))
        index.close()
        assert read_audit(url, read_manifest(url, version)).counts.exact == number
        appended(url, text=range(6))
    delete(url, parse_where("start = 1"))
    assert read_audit(url, read_manifest(url)).counts == Counts()


CHILD = """
import sys, numpy as np
from index.ask.searcher import open_index
from index.contracts import SearchRequest
index = open_index(sys.argv[1], audit=1.0)
index.search(np.ones((1, index.dims[0]), np.float32), SearchRequest(recall=0.9))
"""


@pytest.mark.slow
def test_a_process_that_ends_keeps_its_counts(tmp_path: Path) -> None:
    url, manifest = small(tmp_path)
    subprocess.run([sys.executable, "-c", CHILD, url], check=True, timeout=120)
    assert read_audit(url, manifest).counts.exact == 1


def _ask(made: Auditor, times: float) -> None:
    asked = 0
    while asked < times:
        with made:
            offer(made, searched(0, 5))
        assert made.wait(30)
        asked += 1
    made.close()


FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
OF_PYTHON_3_12 = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.mark.slow
@FORK
@OF_PYTHON_3_12
def test_a_process_that_is_killed_loses_its_last_counts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "WRITE_S", 0.0)
    halves, (url, manifest) = Halves(), small(tmp_path)
    made = Auditor(url, manifest, 1.0, halves.here)
    child = multiprocessing.get_context("fork").Process(target=_ask, args=(made, float("inf")))
    child.start()
    deadline = time.monotonic() + 60
    while read_audit(url, manifest).counts.audited < 30 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.join(60)
    audit = read_audit(url, manifest)
    assert child.exitcode == -signal.SIGKILL
    assert not audit.damaged
    assert audit.counts.audited >= 30


@pytest.mark.slow
@FORK
@OF_PYTHON_3_12
def test_a_fork_is_counted_by_itself(tmp_path: Path) -> None:
    halves, (url, manifest) = Halves(), small(tmp_path)
    made = Auditor(url, manifest, 1.0, halves.here)
    child = multiprocessing.get_context("fork").Process(target=_ask, args=(made, 1))
    child.start()
    child.join(60)
    _ask(made, 2)
    assert child.exitcode == 0
    assert read_audit(url, manifest).counts.asked == 15


@pytest.mark.slow
def test_warnings_are_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(auditor, "WRITE_S", 0.0)
    halves, (url, manifest) = Halves(), small(tmp_path)
    made = Auditor(url, manifest, 1.0, halves.here)
    with caplog.at_level(logging.WARNING):
        for first in range(0, 120, 40):
            with made:
                offer(made, searched(first, 40))
            assert made.wait(30)
        made.close()
    assert len([record for record in caplog.records if "was promised" in record.getMessage()]) == 1
