"""A session of our own, in a process of its own: the run's shared Ray is left alone."""

import os
import re
import socket
import subprocess
import sys

import pytest

from embed.errors import DegluError
from jobs.cluster.ray_session import ray_session

PROBE = """
import os, pathlib
before = {k: v for k, v in os.environ.items() if k.startswith("RAY_")}
from jobs.cluster.ray_session import ray_session
import ray
imported = {k for k in os.environ if k.startswith("RAY_")}

def listening(folder):
    # Addresses on which the processes of the cluster in a folder, and this one, listen.
    found = {}
    for kind in ("tcp", "tcp6"):
        for line in pathlib.Path("/proc/net", kind).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                found[f"socket:[{words[9]}]"] = words[1].rpartition(":")[0]
    addresses = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            mine = int(place.name) == os.getpid() or str(folder).encode() in (place / "environ").read_bytes()
            addresses += [found[link] for fd in (place / "fd").iterdir() if mine and (link := os.readlink(fd)) in found]
        except OSError:
            pass
    return addresses

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
for again in (False, True):
    with ray_session(1):
        folder = pathlib.Path(os.environ["RAY_TMPDIR"])
        assert ray.cluster_resources()["CPU"] == 1
        with ray_session():  # joins, and leaves it running
            pass
        assert ray.get(ray.remote(lambda: 7).remote()) == 7
        if not again:
            print(ray.data.range(3).count())
        addresses = listening(folder)
        assert len(addresses) > 2 and set(addresses) <= LOOPBACK, addresses
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
    assert done.stdout.split() == ["3"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Exception("The current node timed out during startup. The GCS has become overloaded."), "busy (load "),
        (RuntimeError("Timed out waiting for file /tmp/dg/gcs_port"), "run the same command again"),
        (
            ConnectionError("no GCS. Set RAY_ADDRESS"),
            "cannot be started on this machine: no GCS.; run again with --debug",
        ),
    ],
)
def test_ray_that_does_not_start_is_one_line_with_the_cure(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", fail)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(DegluError, match=re.escape(line)) as caught, ray_session():
        pass
    assert "overloaded" not in str(caught.value)
    assert "RAY_" not in str(caught.value)


def test_a_cluster_that_never_answers_is_given_up_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself waits for minutes, without a word."""
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("jobs.cluster.ray_session.ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with (
            pytest.raises(DegluError, match=f"no cluster answers at RAY_ADDRESS={address}, in .* see that"),
            ray_session(),
        ):
            pass
