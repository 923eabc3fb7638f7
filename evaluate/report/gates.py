"""Gates that a report missed: a decision without side effects; the command ends with exit code 4 for any."""

from collections.abc import Iterable
from dataclasses import dataclass

from evaluate.gates import Gate, read_gate
from evaluate.results import Interval, Report


@dataclass(frozen=True)
class MissedGate:
    """A gate that was not reached, and the measured interval; None where the report has none."""

    gate: Gate
    measured: Interval | None

    def __str__(self) -> str:
        gate = self.gate
        width = "full width" if gate.dim is None else f"dim {gate.dim}"
        found = "was not measured" if self.measured is None else f"is {self.measured}"
        return f"{gate.task}, {gate.system}, {gate.measure} at {width} {found}; the gate is {gate.at_least:g}"


def missed_gates(report: Report, gates: Iterable[str]) -> list[MissedGate]:
    """The gates whose mean is below `at_least`, in their order; a gate that was not measured is missed too."""
    measured = [(gate, _measured(report, gate)) for gate in map(read_gate, gates)]
    return [MissedGate(gate, found) for gate, found in measured if found is None or not found.mean >= gate.at_least]


def _measured(report: Report, gate: Gate) -> Interval | None:
    systems = (one for task in report.tasks if task.name == gate.task for one in task.systems)
    system = next((one for one in systems if one.name == gate.system), None)
    if system is None:
        return None
    dim = system.full_dim if gate.dim is None else gate.dim
    return system.by_dim.get(dim, {}).get(gate.measure)
