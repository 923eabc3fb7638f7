"""Cores of workers, and machines that are given up; `tests/jobs/embedding/test_machine_faults.py` has real machines."""

import errno
import time

import pytest

from embed.errors import SpecError
from jobs.cluster.machines import Fault, Machines, NoMachineLeft, cause_and_cure, cores_of_each


@pytest.mark.parametrize(
    ("workers", "nodes", "cores"),
    [
        (1, [2], 2),
        (2, [2], 1),
        (1, [4, 4, 4], 4),  # not the twelve that the cluster has
        (2, [3, 3], 3),
        (3, [5, 5], 2),  # not three, of which a machine has but one
        (2, [0, 1, 1], 1),  # a head without cores
        (8, [2, 2], 1),  # some wait until others have ended
        (1, [], 1),
        (1, [0.5], 1),
    ],
)
def test_each_worker_has_its_cores_on_one_machine(workers: int, nodes: list[float], cores: float) -> None:
    assert cores_of_each(workers, nodes) == cores


def test_a_fault_travels_as_text() -> None:
    fault = Fault("ab12", "10.0.0.3 (gpu-3)", 'torch finds no GPU: "nvidia-smi"')
    assert Fault.parse(fault.to_json()) == fault


def test_the_cause_of_a_start_that_failed() -> None:
    assert cause_and_cure(SpecError("model 'x' is missing")) == "model 'x' is missing"
    assert cause_and_cure(OSError(errno.ENOSPC, "full")) == "no space is left on its disk: free some"
    assert cause_and_cure(RuntimeError("first\nlast")) == "RuntimeError: first"


def test_a_cluster_without_a_machine_for_the_work_is_reported_in_seconds(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No machine here has a GPU of Ray's."""
    monkeypatch.setattr("jobs.cluster.machines.ROOM_S", 0.2)
    notes: list[str] = []
    without_gpus = Machines(lambda: None, notes.append, gpus=1.0)
    with pytest.raises(
        NoMachineLeft, match=r"^no machine of the cluster has a core and a GPU for a worker; .* start one"
    ):
        without_gpus.wait_for_room(0.4)
    assert notes == [
        "no machine of the cluster has a core and a GPU for a worker: waiting for one to join, for at most 0 s"
    ]
    assert (without_gpus.slots(), Machines(lambda: None, notes.append).slots()) == (0, 2)


@pytest.mark.slow
def test_a_cluster_in_use_is_reported_too(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    notes: list[str] = []
    both = ray.remote(num_cpus=2)(lambda: time.sleep(3)).remote()
    monkeypatch.setattr("jobs.cluster.machines.ROOM_S", 1.0)
    Machines(lambda: None, notes.append).wait_for_room()
    assert notes == ["every machine that has a core for a worker is in use by other jobs: waiting for them to end"]
    ray.get(both)
    monkeypatch.undo()
    Machines(lambda: None, notes.append).wait_for_room()
    assert len(notes) == 1
