"""Gates and goals, from tasks whose numbers are visible."""

import pytest

from evaluate.bench.quality_goals import Goal, goals_of
from evaluate.measures.names import NDCG
from evaluate.results import Interval, System, Task


def system(name: str, against: Interval | None = None, **by_dim: float) -> System:
    found = {int(dim[1:]): {NDCG: Interval(mean, mean - 0.1, mean + 0.1)} for dim, mean in by_dim.items()}
    return System(name, found, {} if against is None else {max(found): {NDCG: against}})


def task(name: str, *systems: System) -> tuple[str, Task]:
    return name, Task(name, 10, 100, {NDCG: 0.05}, systems, "cascade")


ABOVE, BELOW, LEVEL = Interval(0.1, 0.05, 0.15), Interval(-0.1, -0.15, -0.05), Interval(-0.01, -0.05, 0.03)
TASKS = dict(
    [
        task(
            "tuxpaint fr->en",
            system("late-fusion", BELOW, d384=0.5, d128=0.49, d64=0.3),
            system("hybrid", ABOVE, d384=0.6),
        ),
        task(
            "tuxpaint bg->en",
            system("late-fusion", ABOVE, d384=0.2, d128=0.2, d64=0.2),
            system("hybrid", LEVEL, d384=0.3),
        ),
        task(
            "tuxpaint el->en",
            system("late-fusion", LEVEL, d384=0.3, d128=0.2, d64=0.2),
            system("hybrid", BELOW, d384=0.3),
        ),
        task("tuxpaint ca->en", system("late-fusion", d384=0.25, d128=0.2, d64=0.2)),
        task("tuxpaint typed en->fr", system("hybrid", BELOW, d384=0.3)),
    ]
)


def goal(part: str) -> Goal:
    (found,) = (one for one in goals_of(TASKS) if part in one.what)
    return found


def test_a_level_has_a_gate_and_a_goal() -> None:
    assert (goal("fr->en, late-fusion").passed, goal("fr->en, late-fusion").met) == (True, True)
    assert (goal("fr->en, hybrid").passed, goal("fr->en, hybrid").met) == (True, False)
    assert (goal("bg->en, late-fusion").passed, goal("bg->en, late-fusion").met) == (False, False)


def test_prefixes_are_measured_by_their_own_full_width() -> None:
    assert goal("fr->en, 128 dims").measured == pytest.approx(0.98)
    assert goal("fr->en, 128 dims").met
    assert not goal("fr->en, 64 dims").passed


def test_the_cascade_is_beaten_where_recognition_fails() -> None:
    assert goal("bg, el, be").measured == 1
    assert goal("bg, el, be").met is False


def test_the_hybrid_may_nowhere_be_significantly_below() -> None:
    """Below in Greek alone, of three spoken tasks; typed ones are another matter."""
    assert goal("not significantly below").measured == pytest.approx(2 / 3)


def test_a_language_never_trained_on_is_measured_by_those_that_were() -> None:
    assert goal("ca->en").measured == pytest.approx(0.25 / ((0.5 + 0.2 + 0.3) / 3))


def test_what_was_not_measured_is_no_goal() -> None:
    assert goals_of({}) == []
