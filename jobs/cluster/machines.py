"""Machines of a job: one that cannot run its workers is given up by name, and the others do its work.

    a worker reports a fault, or a pass was interrupted and the machines are probed -> given up -> no task goes there

The job ends where no machine is left, with the cause and the cure of each.  Nothing of it is recorded against a unit.
"""

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Self

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from embed.errors import DegluError, WorkLeftUndone
from embed.machine import machine_fault
from jobs.cluster.worker_errors import reason_of

ROOM_S = 15.0  # without a machine that has room for a worker, until that is reported
ROOM_WITHIN_S = 900.0  # a cluster that grows by itself needs minutes for a machine
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

    def wait_for_room(self, at_most_s: float = ROOM_WITHIN_S) -> None:
        """Returns once a machine has had room for a worker; a note explains where that takes long.

        Where others use all machines, Ray's queue decides when the workers start.  Raises NoMachineLeft where no
        machine that is large enough joins within `at_most_s`: a cluster that grows by itself needs minutes.
        """
        # Not cancelled where it may be running: that can end this process (Ray 2.60).
        task = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0, **self.options())(_start).remote()
        if ray.wait([task], timeout=ROOM_S)[0]:
            return
        kind, one = ("GPU", "a core and a GPU") if self.gpus else ("CPU", "a core")
        if self._fitting():
            if ray.available_resources().get(kind, 0.0) < (self.gpus or 1.0):
                self.note(f"every machine that has {one} for a worker is in use by other jobs: waiting for them to end")
            return
        missing = f"no machine of the cluster has {one} for a worker"
        self.note(f"{missing}: waiting for one to join, for at most {at_most_s:.0f} s")
        if not ray.wait([task], timeout=max(at_most_s - ROOM_S, 0.0))[0]:
            ray.cancel(task)
            raise NoMachineLeft(f"{missing}; finished work is kept: start one that has, and run again")

    def give_up(self, fault: Fault) -> None:
        """Raises NoMachineLeft where it was the last."""
        if fault.node not in self.faults:
            self.faults[fault.node] = fault
            self.note(f"machine {fault.name} is given up: {fault.cause}")
        if not any(node["NodeID"] not in self.faults for node in self._fitting()):
            raise NoMachineLeft(
                f"no machine is left that can run a worker. {self.causes()}. Nothing was recorded as a failure, and"
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

    def causes(self) -> str:
        """Each cause once, after the machines that have it."""
        names: dict[str, list[str]] = {}
        for fault in self.faults.values():
            names.setdefault(fault.cause, []).append(fault.name)
        return "; ".join(f"{', '.join(dict.fromkeys(of))}: {cause}" for cause, of in names.items())

    def cores(self) -> list[float]:
        """Of each machine that is alive and not given up."""
        return [node["Resources"].get("CPU", 0.0) for node in self._left()]

    def slots(self) -> int:
        """Workers of one core each that the machines not given up can run at the same time."""
        return sum(map(self._slots_of, self._left()))

    def _slots_of(self, node: dict[str, Any]) -> int:
        """Workers that a machine has room for."""
        least = {"CPU": 1.0, **({"GPU": self.gpus} if self.gpus else {})}
        return int(min(node["Resources"].get(name, 0.0) // one for name, one in least.items()))

    def _left(self) -> list[dict[str, Any]]:
        return [node for node in ray.nodes() if node["Alive"] and node["NodeID"] not in self.faults]

    def _fitting(self) -> list[dict[str, Any]]:
        """Machines that are alive and have room for a worker, those given up included."""
        return [node for node in ray.nodes() if node["Alive"] and self._slots_of(node)]

    def _probe_all(self, nodes: Iterable[dict[str, Any]]) -> None:
        nodes = list(nodes)
        self._probed |= {node["NodeID"] for node in nodes}
        for answer in answers(lambda node: partial(_cause_here, self.probe), nodes):
            if cause := answer.fault or answer.value:
                self.give_up(Fault(answer.node, answer.name, cause))


@dataclass(frozen=True)
class Answer:
    """Answer of a machine: a value, or a fault; neither, where it did not answer in time."""

    node: str
    name: str
    value: Any = None
    fault: str = ""  # why nothing of Deglu can run there


def answers(
    act: Callable[[dict[str, Any]], Callable[[], Any]], nodes: Sequence[dict[str, Any]], calls: int = 0
) -> Iterator[Answer]:
    """For each of Ray's nodes, what `act` of it returns when it is called there, within PROBE_S.

    The process ends after so many `calls`, where they are not 0.
    """
    asked = {_asked(act(node), node["NodeID"], calls): node for node in nodes}
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_S) if asked else ([], [])
    for reply, node in asked.items():
        name = _name(node["NodeManagerAddress"], node["NodeManagerHostname"])
        value, fault = _value_of(reply) if reply in ready else (None, "")
        yield Answer(node["NodeID"], name, value, fault)


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


def _asked(act: Callable[[], Any], node: str, calls: int) -> Any:
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0, max_calls=calls, scheduling_strategy=there)(_called).remote(act)


def _called(act: Callable[[], Any]) -> Any:
    """On the machine."""
    return act()


def _start() -> None:
    """A worker could start."""


def _cause_here(probe: Probe) -> str:
    """On the machine: the cause, where it cannot run a worker."""
    try:
        probe()
    except Exception as error:
        return cause_and_cure(error)
    return ""


def _value_of(reply: Any) -> tuple[Any, str]:
    try:
        return ray.get(reply), ""
    except ray.exceptions.RayTaskError as error:  # before it began: it could not be loaded
        reason = reason_of(error)
        return None, f"Deglu cannot be loaded there ({reason}): install the same version in the python of its Ray"
    except ray.exceptions.RayError:  # the machine was lost meanwhile: Ray notices by itself
        return None, ""


def _name(address: str, host: str) -> str:
    return address if host in ("", address) else f"{address} ({host})"
