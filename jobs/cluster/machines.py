"""Machines of a job: one that cannot run its workers is given up by name, and the others do its work.

    a worker reports a fault, or a pass was interrupted and the machines are probed -> given up -> no task goes there

The job ends where no machine is left, with the cause and the cure of each.  Nothing of it is recorded against a unit.
"""

import json
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from embed.errors import DegluError, WorkLeftUndone
from embed.machine import machine_fault
from jobs.cluster.worker_errors import reason_of

PROBE_S = 60.0  # a machine that does not answer within this time is busy, or dies: Ray itself will notice

Probe = Callable[[], None]  # raises where this machine cannot run a worker


@dataclass(frozen=True)
class Fault:
    """A machine that cannot run workers of this job, and why not."""

    node: str  # its id in Ray
    name: str  # its address, and its name where Ray knows one
    cause: str  # and the cure

    @classmethod
    def here(cls, cause: str) -> Self:
        """In a worker: of the machine that it runs on."""
        node = ray.get_runtime_context().get_node_id()
        return cls(node, _name(ray.util.get_node_ip_address(), socket.gethostname()), cause)

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class NoMachineLeft(WorkLeftUndone):
    """Every machine with room for a worker was given up."""


@dataclass
class Machines:
    """The machines of one job; `note` gets a line for each that is given up."""

    probe: Probe
    note: Callable[[str], None]
    gpus: float = 0.0  # of one worker, next to a core
    faults: dict[str, Fault] = field(default_factory=dict)  # by node
    _probed: set[str] = field(default_factory=set)

    def options(self) -> dict[str, Any]:
        """Ray's options of tasks and actors that may run on any machine but those given up."""
        return {"label_selector": {"ray.io/node-id": f"!in({','.join(self.faults)})"}} if self.faults else {}

    def give_up(self, fault: Fault) -> None:
        """Raises NoMachineLeft where it was the last."""
        if fault.node not in self.faults:
            self.faults[fault.node] = fault
            self.note(f"machine {fault.name} is given up: {fault.cause}")
        if not any(node["NodeID"] not in self.faults for node in self._fitting()):
            raise NoMachineLeft(
                f"no machine is left that can run a worker. {self._causes()}. Nothing was recorded as a failure, and"
                " finished work is kept: mend one of them and run again"
            )

    def probe_new(self) -> None:
        """Probe the machines that have joined, before they get work; this process runs on one, which needs no probe."""
        self._probed.add(ray.get_runtime_context().get_node_id())
        self._probe_all(node for node in self._fitting() if node["NodeID"] not in self._probed)

    def probe_again(self) -> bool:
        """Probe all machines, after workers died or could not start: whether one of them is to blame."""
        before = len(self.faults)
        self._probe_all(node for node in self._fitting() if node["NodeID"] not in self.faults)
        return len(self.faults) > before

    def _causes(self) -> str:
        """Each cause once, after the machines that have it."""
        names: dict[str, list[str]] = {}
        for fault in self.faults.values():
            names.setdefault(fault.cause, []).append(fault.name)
        return "; ".join(f"{', '.join(dict.fromkeys(of))}: {cause}" for cause, of in names.items())

    def cores(self) -> list[float]:
        """Of each machine that is alive and not given up."""
        nodes = (node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in self.faults)
        return [node["Resources"].get("CPU", 0.0) for node in nodes]

    def _fitting(self) -> list[dict[str, Any]]:
        """Machines that are alive and have room for a worker, those given up included."""
        least = {"CPU": 1.0, "GPU": self.gpus}
        alive = (node for node in ray.nodes() if node["Alive"])
        return [node for node in alive if all(node["Resources"].get(name, 0.0) >= one for name, one in least.items())]

    def _probe_all(self, nodes: Iterable[dict[str, Any]]) -> None:
        asked = {_probing(self.probe, node["NodeID"]): node for node in nodes}
        self._probed |= {node["NodeID"] for node in asked.values()}
        ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_S) if asked else ([], [])
        for answer in ready:
            if cause := _cause(answer):
                node = asked[answer]
                name = _name(node["NodeManagerAddress"], node["NodeManagerHostname"])
                self.give_up(Fault(node["NodeID"], name, cause))


def cores_of_each(workers: int, nodes: Sequence[float]) -> float:
    """As many for each worker as all can have, each worker on one machine; one where there are too few."""
    most = int(max(nodes, default=1))
    fitting = (cores for cores in range(most, 0, -1) if sum(node // cores for node in nodes) >= workers)
    return float(next(fitting, 1))


def cause_and_cure(error: BaseException) -> str:
    """Of an error that keeps a worker from starting."""
    if isinstance(error, DegluError):
        return str(error)
    return machine_fault(error) or f"{type(error).__name__}: {reason_of(error)}"


def _probing(probe: Probe, node: str) -> Any:
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(_answer).remote(probe)


def _answer(probe: Probe) -> str | None:
    """On the machine: the cause, where it cannot run a worker."""
    try:
        probe()
    except Exception as error:
        return cause_and_cure(error)
    return None


def _cause(answer: Any) -> str | None:
    try:
        cause: str | None = ray.get(answer)
    except ray.exceptions.RayTaskError as error:  # before the probe: it could not be loaded
        return f"Deglu cannot be loaded there ({reason_of(error)}): install the same version in the python of its Ray"
    except ray.exceptions.RayError:  # the machine was lost meanwhile: Ray notices by itself
        return None
    return cause


def _name(address: str, host: str) -> str:
    return address if host in ("", address) else f"{address} ({host})"
