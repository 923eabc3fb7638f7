"""Cores of workers, and machines that are given up; `tests/jobs/embedding/test_machine_faults.py` has real machines."""

import errno

import pytest

from embed.errors import SpecError
from jobs.cluster.machines import Fault, cause_and_cure, cores_of_each


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
