"""A Ray cluster of several nodes and drivers of `deglu embed`, in processes of their own, to be killed with no warning.

Run as a program (`python -m tests.chaos_cluster`) it is the cluster: it prints its address and the pids of its nodes,
and adds a node for every line that it reads, which has the node's options as JSON.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from evaluate.bench.s3_server import S3Server
from tests.fault_proxy import FaultProxy

WORKERS = 2
STORE_BYTES = 80 << 20
FOLD_UNITS = 25  # staged, until they are folded: a small archive folds, too
MARK = "DEGLU_TEST_RUN"
# Workers of low priority would wait for the tests of other processes.
# Quick to see what has happened; and what other programs hold of this machine's memory is no reason to kill ours.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_memory_monitor_refresh_ms": "0",
    "REPORTER_UPDATE_INTERVAL_MS": "60000",  # nobody looks at the load of the machine
}
DEAD_S = 5  # after which a node that was killed is known to be dead
# A node that is silent for about four seconds is dead; the default of fifteen is for real networks.
QUICK_DEATHS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 4,
}
NODE = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_log_monitor": False}
NOTHING: Mapping[str, str] = {}
AS_IT_IS = "from jobs import __main__; __main__.main()"
FOLDS_SOON = f"""
from jobs import __main__
from jobs.embedding import isolate, run_units
from tests.jobs.embedding.light_worker import LightEncodeWorker
run_units.FOLD_UNITS = {FOLD_UNITS}
run_units.EncodeWorker = isolate.EncodeWorker = LightEncodeWorker
__main__.main()
"""


class Process(NamedTuple):
    pid: int
    parent: int
    title: str
    environment: dict[str, str]


class Place(NamedTuple):
    """An S3 server behind a proxy, and a folder."""

    server: S3Server
    proxy: FaultProxy
    folder: Path

    @property
    def cache(self) -> Path:
        """Where the machines of the cluster find prompts to train on."""
        return self.folder / "cache"


class Nodes:
    """A head without cores, and nodes of one core each, or as they are asked for."""

    def __init__(self, environment: Mapping[str, str], program: "subprocess.Popen[str]", log: Path) -> None:
        self.environment, self._program, self._log = dict(environment), program, log
        self.raylets: list[int] = []

    def workers(self) -> list[int]:
        """Pids of the actors that encode, on nodes that live."""
        born = (one for one in marked(self.environment[MARK]) if one.parent in self.raylets)
        return sorted(one.pid for one in born if one.title.startswith("ray::") and "EncodeWorker" in one.title)

    def kill_node(self, number: int) -> None:
        """SIGKILL for a raylet, whose worker may live on for a while; with an even number, for the worker as well."""
        raylet = self.raylets[number // 2 % len(self.raylets)]
        workers = [one.pid for one in marked(self.environment[MARK]) if one.parent == raylet]
        self.raylets.remove(raylet)
        for pid in [raylet, *(workers if number % 2 == 0 else [])]:
            kill(pid)

    def add_node(self, **options: Any) -> None:
        """Returns when it has joined; the options are those of Ray's own test cluster: num_gpus, env_vars."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(options) + "\n")
        self._program.stdin.flush()
        self.raylets.append(int(_line(self._program, self._log)))


@contextmanager
def nodes(folder: Path, num: int = WORKERS) -> Iterator[Nodes]:
    """A cluster that has the environment of now, the AWS_* variables included; all of it is killed at the end."""
    place = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # short: paths of sockets are limited
    (place / "token").write_text(secrets.token_hex(32))
    own = {"RAY_TMPDIR": str(place), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(place / "token")}
    environment = {**_without_ray(), **own, MARK: place.name, **SETTINGS}
    log = folder / "cluster.log"
    try:
        program, address = _head(environment, log)
        with program:
            try:
                found = Nodes({**environment, "RAY_ADDRESS": address}, program, log)
                for _ in range(num):
                    found.add_node()
                yield found
            finally:
                program.kill()
    finally:
        kill_all(place.name)
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def added(cluster: Nodes, *machines: Mapping[str, Any]) -> Iterator[Nodes]:
    """The cluster with nodes of these options, killed at the end; so modules share a head, which costs most."""
    try:
        for machine in machines:
            cluster.add_node(**machine)
        yield cluster
    finally:
        while cluster.raylets:
            cluster.kill_node(0)
        time.sleep(DEAD_S)


@contextmanager
def driver(
    spec: Path,
    nodes: Nodes | None = None,
    *options: str,
    verb: str = "embed",
    settings: Mapping[str, str] = NOTHING,
    program: str = AS_IT_IS,
) -> Iterator["subprocess.Popen[bytes]"]:
    """`deglu embed SPEC`, or another verb, on a cluster or with a Ray of its own; it prints to SPEC.log and SPEC.json.

    On leaving it is killed, and so is all that it has started.
    """
    mark = secrets.token_hex(8)
    environment = {**(nodes.environment if nodes else _without_ray()), **SETTINGS, **settings, MARK: mark}
    with _appended(spec.with_suffix(".log")) as log, spec.with_suffix(".json").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", program, verb, str(spec), "--json", *options],
            env=environment,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        folders = {one.environment.get("RAY_TMPDIR") for one in marked(mark)} if nodes is None else set()
        kill_all(mark)
        for folder in folders - {None}:
            shutil.rmtree(str(folder), ignore_errors=True)


def wait_for(condition: Callable[[], Any], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s:g} s in vain"
        time.sleep(0.02)


def marked(mark: str) -> Iterator[Process]:
    """The processes that were born with this mark in their environment."""
    line = f"{MARK}={mark}"
    for place in Path("/proc").glob("[0-9]*"):
        try:
            lines = (place / "environ").read_bytes().decode(errors="replace").split("\0")
            title = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # gone, or not ours to look at
        if line in lines:
            yield Process(int(place.name), parent, title, dict(one.split("=", 1) for one in lines if "=" in one))


def kill_all(mark: str) -> None:
    """Each by its pid, until none is left."""

    def all_killed() -> bool:
        pids = [one.pid for one in marked(mark)]
        for pid in pids:
            kill(pid)
        return not pids

    wait_for(all_killed)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it was quicker
        os.kill(pid, signal.SIGKILL)


def _without_ray() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


@contextmanager
def _appended(path: Path) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        file.write(b"--- a driver starts\n")
        file.flush()
        yield file


def _head(environment: Mapping[str, str], log: Path) -> tuple["subprocess.Popen[str]", str]:
    """The program of a cluster, and its address.  Ray gives its head 30 s; on a busy machine it is tried again."""
    for last in (False, False, True):
        with log.open("a") as errors:
            program = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos_cluster"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        try:
            return program, _line(program, log)
        except AssertionError:
            with program:
                program.kill()
            kill_all(environment[MARK])
            if last:
                raise
    raise AssertionError


def _line(program: "subprocess.Popen[str]", log: Path) -> str:
    assert program.stdout is not None
    line = program.stdout.readline().strip()
    assert line, f"the cluster, or its new node, did not start: {log.read_text(errors='replace')[-3000:]}"
    return line


def _raylets() -> set[int]:
    """Pids of the raylets that this process has started."""
    return {one.pid for one in marked(os.environ[MARK]) if one.parent == os.getpid() and "raylet" in one.title}


def _added(cluster: Any, options: Mapping[str, Any]) -> int:
    """Pid of the raylet of a new node.  Ray gives it 30 s to join; on a busy machine it is tried again."""
    before = _raylets()
    for last in (False, False, True):
        try:
            node = cluster.add_node(**options)
        except Exception:  # Ray raises no class of its own
            if last:
                raise
            traceback.print_exc()
            for pid in _raylets() - before:
                kill(pid)
        else:
            return int(node.all_processes["raylet"][0].process.pid)
    raise AssertionError


def main() -> None:
    """The cluster."""
    from ray.cluster_utils import Cluster  # after the environment is settled

    head = {
        "num_cpus": 0,
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,  # nothing is scaled
        "object_store_memory": STORE_BYTES,
        "_system_config": QUICK_DEATHS,
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{_added(cluster, {**NODE, **json.loads(line)})}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
