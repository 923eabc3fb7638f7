"""Costs of systems of tiny models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluate.costs import with_costs
from evaluate.measures.quality import evaluate_task
from evaluate.models import load_models
from evaluate.report.costs import cost_line, cost_table, front_of
from evaluate.results import Cost, WidthCost
from tests.evaluate.shelf import clips_in, spec_of

AXES = np.eye(40, dtype=np.float32)


@pytest.mark.slow
def test_a_hybrid_costs_what_its_parts_cost(shelf: Path, tmp_path: Path) -> None:
    systems = ["late-fusion", "cascade", "hybrid", "ceiling"]
    models = load_models(spec_of(shelf, "hybrid", systems, cost={"core_hour": 0.36}))
    task = evaluate_task("axes", dict.fromkeys(systems, AXES), AXES, np.arange(40), [40, 20], draws=100)
    clips, texts = clips_in(tmp_path), ["one", "two two"]
    found = {one.name: one.cost for one in with_costs(models, task, clips, texts).systems}
    fusion, cascade, hybrid, ceiling = (found[name] for name in systems)
    assert fusion is not None and cascade is not None and hybrid is not None and ceiling is not None  # noqa: PT018
    assert hybrid.query_macs == pytest.approx(fusion.query_macs + cascade.query_macs, rel=0.01)
    assert hybrid.parameters > max(fusion.parameters, cascade.parameters)
    assert ceiling.query_macs < cascade.query_macs
    assert fusion.hour_s is not None
    assert fusion.price_thousand_hours == pytest.approx(fusion.hour_s / 10)
    assert fusion.widths[20].bytes == 40
    assert fusion.widths[20].index_bytes == 1600
    typed = with_costs(models, task, texts, texts).systems[0].cost
    assert typed is not None
    assert typed.hour_s is None


def test_a_task_without_rates_has_no_cost(shelf: Path) -> None:
    models = load_models(spec_of(shelf, "model", ["ceiling"]))
    task = evaluate_task("axes", {"ceiling": AXES}, AXES, np.arange(40), [40], draws=100)
    assert with_costs(models, task, ["a"], ["b"]) is task
    assert cost_table(task) is None


def test_the_table_marks_the_front() -> None:
    """Both find all at full width; the dear one is on no front."""
    task = evaluate_task("axes", {"late-fusion": AXES, "ridge": AXES}, AXES, np.arange(40), [40, 20], draws=100)
    priced = [
        replace(one, cost=Cost(7_000_000, 2e9, 0.01, 3e12, 90.0, 1.0, widths(price), "EUR"))
        for one, price in zip(task.systems, (2.0, 9.0), strict=True)
    ]
    task = replace(task, systems=tuple(priced))
    assert front_of(task) == ["late-fusion, 20", "late-fusion, 40"]
    table = cost_table(task)
    assert table is not None
    header, rows = table
    assert header[3] == "EUR a million queries"
    first = "late-fusion, 40|1.000|yes|2.00|11.0|2.00|7.0|80|0.00|0.0100|90|3.00|1.00"
    assert rows[0] == first.split("|")
    assert [row[2] for row in rows] == ["yes", "yes", "-", "-"]
    assert cost_line(task).startswith("Best for their price, the cheapest first, without the ceiling: late-fusion, 20;")
    cheap = replace(priced[0], name="ceiling", cost=Cost(7_000_000, 2e9, 0.01, 3e12, 90.0, 1.0, widths(0.1), "EUR"))
    assert front_of(replace(task, systems=(*priced, cheap))) == front_of(task)


def widths(price: float) -> dict[int, WidthCost]:
    return {dim: WidthCost(2 * dim, 80 * dim, 0.001, price * dim / 40, 0.01) for dim in (40, 20)}
