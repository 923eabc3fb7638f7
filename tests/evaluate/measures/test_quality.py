import numpy as np
import pytest

from embed.errors import InputError
from evaluate.measures.quality import evaluate_task
from evaluate.report.report import as_markdown
from evaluate.results import Report

AXES = np.eye(40, dtype=np.float32)
RIGHT = np.arange(40)
SPOKEN = {"late-fusion": AXES, "ridge": np.roll(AXES, 1, axis=0)}  # all right; all wrong


@pytest.mark.slow
def test_right_and_wrong_questions() -> None:
    task = evaluate_task("axes", SPOKEN, AXES, RIGHT, [40, 20], baseline="ridge")
    fusion, ridge = task.systems
    assert (task.queries, task.documents) == (40, 40)
    assert str(fusion.by_dim[40]["nDCG@10"]) == "1.000 [1.00, 1.00]"
    assert fusion.by_dim[20]["R@10"].mean == 0.5
    assert ridge.by_dim[40]["R@10"].mean == 0.0
    assert fusion.difference[40]["R@10"].mean == 1.0
    assert ridge.difference == {}
    assert task.chance["R@10"] == pytest.approx(10 / 40)


def test_the_archive_may_be_what_systems_made() -> None:
    task = evaluate_task("typed", AXES, SPOKEN, RIGHT, [40])
    assert [one.name for one in task.systems] == ["late-fusion", "ridge"]
    assert [one.by_dim[40]["R@10"].mean for one in task.systems] == [1.0, 0.0]


def test_both_sides_may_be_what_systems_made() -> None:
    task = evaluate_task("spoken both", SPOKEN, SPOKEN, RIGHT, [40])
    assert [one.by_dim[40]["R@10"].mean for one in task.systems] == [1.0, 1.0]


@pytest.mark.slow
def test_chance_knows_what_is_excluded_and_how_much_is_right() -> None:
    """Of 40 documents one is left out: 10 of 39 places, however many answers are right."""
    relevant = [{row} | {(row + 1) % 40} for row in range(40)]
    task = evaluate_task("axes", SPOKEN, AXES, relevant, [40], excluded=[{(row + 2) % 40} for row in range(40)])
    assert task.chance["R@10"] == pytest.approx(10 / 39)
    assert task.systems[0].by_dim[40]["R@10"].mean == 0.5


@pytest.mark.slow
def test_a_task_prints() -> None:
    text = as_markdown(Report((evaluate_task("axes", SPOKEN, AXES, RIGHT, [40], baseline="ridge"),)))
    assert "| late-fusion | 1.000 [1.00, 1.00] |" in text
    assert "| chance | 0.250 |" in text
    assert "| late-fusion | +1.000 [+1.00, +1.00] |" in text


def test_refuses_systems_that_do_not_match() -> None:
    with pytest.raises(InputError, match="no system"):
        evaluate_task("axes", AXES, AXES, RIGHT, [40])
    with pytest.raises(InputError, match="give the same systems"):
        evaluate_task("axes", SPOKEN, {"ridge": AXES}, RIGHT, [40])
    with pytest.raises(InputError, match="baseline 'ceiling'"):
        evaluate_task("axes", SPOKEN, AXES, RIGHT, [40], baseline="ceiling")
