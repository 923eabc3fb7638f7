"""A unit that crashes its worker is halved until the part that does is small: here it is second 333."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from embed import tables
from embed.dataset.staging import attempts, mark_attempts, staged
from embed.identity import digest
from embed.tables import Unit
from jobs.embedding.encode_worker import WorkOrder
from jobs.embedding.isolate import Part, WorkerDied, embed_alone, halves, joined, parts_of, table_of
from tests.embed.sounds import CUTTING
from tests.embed.vectors import begin

POISON = 333_000


def unit(start: int = 0, end: int | None = 600_000, form: str = "audio", planned: int = 600_000) -> Unit:
    return {
        "unit_id": digest("u"), "asset_id": digest("a"), "uri": "radio/monday.mp3", "url": "/radio/monday.mp3",
        "modality": "speech" if form == "audio" else "text", "format": form, "content_version": "v", "start": start,
        "end": end, "planned": planned,
        "tracks": None, "text": None, "lang": None, "metadata": [], "columns": [], "problem": None,
    }  # fmt: skip


class Job(NamedTuple):
    dims: tuple[int, ...] = (1,)


class Order(NamedTuple):
    job: Job = Job()


class Worker:
    """Embeds whatever does not hold the poison: one row a second."""

    def __init__(self) -> None:
        self.tried: list[tuple[int, int | None]] = []

    def __call__(self, piece: Unit) -> Part:
        self.tried.append((piece["start"], piece["end"]))
        end = piece["end"] if piece["end"] is not None else 600_000
        if piece["start"] <= POISON < end:
            raise WorkerDied("the worker died")
        seconds = (end - piece["start"]) / 1000
        rows = [
            {
                **{name: dict(piece)[name] for name in ("asset_id", "unit_id", "uri", "content_version", "modality")},
                "segment_id": digest("s", at), "start_s": at / 1000, "end_s": at / 1000 + 1, "metadata": [],
                "space": "s", "encoder": "e", "vector": [1.0],
            }
            for at in range(-(-piece["start"] // 1000) * 1000, end, 1000)
        ]  # fmt: skip
        ledger = tables.ledger_row(piece, "embedded", len(rows), decoded_s=seconds, embedded_s=seconds)
        return pa.Table.from_pylist(rows, schema=tables.rows(1)), ledger, []


@pytest.mark.parametrize("end", [600_000, None])
def test_all_but_a_few_seconds_around_the_poison_is_kept(end: int | None) -> None:
    worker = Worker()
    rows, ledger, failures = joined(unit(end=end), parts_of(unit(end=end), worker, 2), Order())  # type: ignore[arg-type]
    assert len(failures) == 1
    start, stop = failures[0]["start"] or 0, failures[0]["end"] or 0
    assert start <= POISON < stop
    assert stop - start <= 20_000
    assert (failures[0]["stage"], failures[0]["error_class"]) == ("worker", "WorkerDied")
    assert failures[0]["message"] == "/radio/monday.mp3: the worker died, 2 times over this span"
    starts = [round(1000 * at) for at in rows["start_s"].to_pylist()]
    assert starts == [at for at in range(0, 600_000, 1000) if not start <= at < stop]
    assert ledger["outcome"] == "embedded"
    assert ledger["decoded_s"] == pytest.approx(600)
    assert ledger["embedded_s"] + ledger["lost_s"] == pytest.approx(600)
    assert ledger["lost_s"] == pytest.approx((stop - start) / 1000)
    assert len(worker.tried) < 30


def test_an_innocent_unit_is_tried_once_and_comes_through_whole() -> None:
    worker = Worker()
    rows, ledger, failures = joined(unit(0, 300_000), parts_of(unit(0, 300_000), worker, 2), Order())  # type: ignore[arg-type]
    assert (rows.num_rows, ledger["outcome"], failures, worker.tried) == (300, "embedded", [], [(0, 300_000)])


def test_what_cannot_be_halved_is_lost_whole() -> None:
    clip = unit(330_000, 340_000, planned=10_000)
    rows, ledger, failures = joined(clip, parts_of(clip, Worker(), 2), Order())  # type: ignore[arg-type]
    assert (rows.num_rows, ledger["outcome"], ledger["lost_s"], len(failures)) == (0, "failed", 10.0, 1)


def test_halves_cover_the_whole() -> None:
    assert [(one["start"], one["end"]) for one in halves(unit(600_000, None, planned=100_000))] == [
        (600_000, 650_000),
        (650_000, None),
    ]
    assert halves(unit(form="utterance")) == []
    assert [(one["start"], one["end"]) for one in halves(unit(0, 33, "parquet"))] == [(0, 16), (16, 33)]
    assert halves(unit(0, 31, "csv")) == []
    assert halves(unit(0, None, "txt", planned=5000)) == []


class Alone(Worker):
    """Counts its deaths, as `Isolation` does."""

    deaths = 0

    def __call__(self, piece: Unit) -> Part:
        try:
            rows, ledger, failures = super().__call__(piece)
        except WorkerDied:
            self.deaths += 1
            raise
        return rows.slice(0, 0), {**ledger, "rows": 0, "outcome": "skipped"}, failures


def test_those_that_ran_next_to_a_bad_unit_return_to_the_normal_run(tmp_path: Path) -> None:
    job = begin(str(tmp_path))
    spans = {"before": (0, 300_000), "bad": (330_000, 340_000), "after": (400_000, 500_000), "last": (0, 9_000)}
    units: list[Unit] = [{**unit(*span), "unit_id": digest(name)} for name, span in spans.items()]
    for _ in range(2):
        mark_attempts(job, map(digest, spans))
    order = WorkOrder(job, "demo", CUTTING, "float32", False, False, 9.0)
    observed: list[bytes] = []
    table = pa.Table.from_pylist(units, schema=tables.UNITS)
    embed_alone(order, table, Alone(), lambda some: observed.extend(some["unit_id"].to_pylist()))  # type: ignore[arg-type]
    assert observed == [digest("before"), digest("bad")]
    assert set(staged(job)) == set(observed)
    assert set(attempts(job)) == set(observed), "the others begin anew"


def test_a_part_of_a_unit_is_a_unit() -> None:
    assert table_of(halves(unit())[0]).schema.equals(tables.UNITS)
