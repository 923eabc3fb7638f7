import pytest

from evaluate.report.gates import missed_gates
from evaluate.results import Interval, Report, System, Task

BY_DIM = {384: {"R@10": Interval(0.6, 0.5, 0.7)}, 64: {"R@10": Interval(0.4, 0.3, 0.5)}}
REPORT = Report((Task("fr->en", 100, 500, {}, (System("late-fusion", BY_DIM),)),))


def gate(at_least: float, task: str = "fr->en", dim: int | None = None) -> str:
    return f"recall@10[{task}{f', dim={dim}' if dim else ''}] >= {at_least}"


@pytest.mark.parametrize(
    ("one", "met"),
    [(gate(0.5), True), (gate(0.6), True), (gate(0.61), False), (gate(0.4, dim=64), True), (gate(0.5, dim=64), False)],
)
def test_the_mean_decides_at_full_width_unless_said(one: str, met: bool) -> None:
    assert (missed_gates(REPORT, [one]) == []) is met


def test_a_missed_gate_says_what_was_measured() -> None:
    (missed,) = missed_gates(REPORT, [gate(0.5), gate(0.9)])
    assert str(missed) == "fr->en, late-fusion, R@10 at full width is 0.600 [0.50, 0.70]; the gate is 0.9"


@pytest.mark.parametrize("one", [gate(0.0, task="en->fr"), gate(0.0, dim=100)], ids=["no task", "no dim"])
def test_what_was_not_measured_is_missed(one: str) -> None:
    (missed,) = missed_gates(REPORT, [one])
    assert missed.measured is None
    assert "was not measured" in str(missed)
