import pytest

from jobs.run_units import cores_of_each


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
