"""A session of our own, in a process of its own: the run's shared Ray is left alone."""

import os
import subprocess
import sys

import pytest

from embed.errors import InputError, WorkLeftUndone
from jobs.cluster.ray_session import plain_errors

PROBE = """
import os, pathlib
before = {k: v for k, v in os.environ.items() if k.startswith("RAY_")}
from jobs.cluster.ray_session import ray_session
import ray
imported = {k for k in os.environ if k.startswith("RAY_")}
for _ in range(2):
    with ray_session(1):
        folder = pathlib.Path(os.environ["RAY_TMPDIR"])
        assert ray.cluster_resources()["CPU"] == 1
        with ray_session():  # joins, and leaves it running
            pass
        assert ray.get(ray.remote(lambda: 7).remote()) == 7
        print(ray.data.range(3).count())
    assert not ray.is_initialized()
    assert not folder.exists()
    assert {k for k in os.environ if k.startswith("RAY_")} == imported
"""


@pytest.mark.ray
def test_a_private_session_comes_and_goes_quietly() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "3"]
    assert done.stderr == ""


def test_a_lost_worker_is_work_left_undone() -> None:
    from ray.exceptions import OutOfMemoryError  # after our own session has set what Ray reads at its import

    reason = r"a worker was lost 3 times \(killed\); finished work is kept: run again"
    with pytest.raises(WorkLeftUndone, match=reason), plain_errors(2):
        raise OutOfMemoryError("pages of advice\nkilled")
    with pytest.raises(InputError, match="ours"), plain_errors(2):
        raise InputError("ours")
