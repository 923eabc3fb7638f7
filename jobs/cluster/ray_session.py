"""Ray session of a job: on the cluster it runs on, on the one already joined, or a private one on this machine."""

import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# Ray reads these when it is first imported: no usage reports, no warning, 120 s for a busy machine in place of 30.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "120")
os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")

import grpc  # type: ignore[import-untyped]
import ray
import ray.data
from ray._private import ray_constants
from ray._private.grpc_utils import init_grpc_channel

from embed.errors import DegluError
from embed.storage.scratch import living_folder, remove_leftovers
from jobs.cluster.worker_errors import reason_of

logger = logging.getLogger(__name__)

ANSWER_S = 15.0  # an address that accepts connections and is silent for so long is no cluster
ADDRESS = re.compile(r"[^/:\s]+:\d+|\[[0-9a-fA-F:]+\]:\d+")  # of a head, as RAY_ADDRESS gives it
PLACE, PREFIX = Path("/tmp"), "dg"
PRIVATE = ("RAY_TMPDIR", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")
BACKEND_LEVEL = "RAY_BACKEND_LOG_LEVEL"
CLUSTER = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
NATIVE_LINE = re.compile(rb"\[\d{4}-\d\d-\d\d [\d:,]+ [DIWE] \d+ \d+\] ")


@contextmanager
def ray_session(cpus: int | None = None) -> Iterator[None]:
    """Ray is ready inside; afterwards only a Ray that was started here is shut down.

    Joins the session this process has, else the cluster that RAY_ADDRESS names (as in a submitted job), else
    starts one on this machine with `cpus` cores (all of them by default).
    """
    if ray.is_initialized():
        _quieten()
        yield
    elif os.environ.get("RAY_ADDRESS", "local") != "local":
        with _joined(os.environ["RAY_ADDRESS"]):
            yield
    else:
        with _private_folder() as folder, _started(folder, cpus):
            yield


@contextmanager
def _joined(address: str) -> Iterator[None]:
    _check_answers(address)
    with _start_errors(f"the cluster at {address} cannot be joined"), _quiet_backend():
        ray.init(address=address, log_to_driver=_verbose(), logging_level=_level())
    _quieten()
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """DegluError where nobody answers at the address: Ray itself would wait without end, and print nothing."""
    if not ADDRESS.fullmatch(address):
        return  # `auto`, and other words of Ray's own
    channel = init_grpc_channel(address)
    try:
        grpc.channel_ready_future(channel).result(timeout=ANSWER_S)
    except grpc.FutureTimeoutError:
        raise DegluError(
            f"no cluster answers at RAY_ADDRESS={address}, in {ANSWER_S:.0f} s: give its head's address and port (6379"
            " by default), see that the head runs, and that this machine can reach it"
        ) from None
    finally:
        channel.close()


@contextmanager
def _started(folder: Path, cpus: int | None) -> Iterator[None]:
    with _on_loopback():
        with _start_errors("Ray cannot be started on this machine"), _quiet_backend():
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=_verbose(),
                logging_level=_level(),
                _temp_dir=str(folder / "ray"),
            )
        _quieten()
        logger.info("started Ray on this machine with %s cores", ray.cluster_resources().get("CPU"))
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray's ports, those for metrics too, are opened on 127.0.0.1: the cluster is this machine alone.

    Ray does so where it may start no cluster of several machines.  (It replaces a 127.0.0.1 that is given to `ray.init`
    by the address in the network.)  It reads the variable once, when it is imported; its children read it again.
    """
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    kept = os.environ.get(CLUSTER)
    os.environ[CLUSTER] = "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(CLUSTER)
        if kept is not None:
            os.environ[CLUSTER] = kept


@contextmanager
def _start_errors(what: str) -> Iterator[None]:
    """Any error of Ray's start as one line with the cure; Ray raises bare exceptions here, with advice of its own."""
    try:
        yield
    except Exception as error:
        text = str(error).lower()
        if isinstance(error, TimeoutError) or "timed out" in text or "timeout" in text:
            load, cores = os.getloadavg()[0], os.cpu_count()
            raise DegluError(
                f"{what} in time: the machine is busy (load {load:.1f} on {cores} cores) or short of memory; finished"
                " work is kept: stop what else runs here, or wait, and run the same command again"
            ) from error
        raise DegluError(f"{what}: {reason_of(error)}; run again with --debug for Ray's own messages") from error


@contextmanager
def _quiet_backend() -> Iterator[None]:
    """Without Ray's native log lines, which it prints on this process's stderr, with advice for Ray's developers.

    The level that is set here lasts for the life of Ray in this process and in what it starts; Ray prints a line on
    being given a level, so what is written on stderr meanwhile is kept and written without such lines afterwards.
    """
    if _verbose() or BACKEND_LEVEL in os.environ:
        yield
        return
    os.environ[BACKEND_LEVEL] = "fatal"
    with tempfile.TemporaryFile() as written:
        stderr = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            del os.environ[BACKEND_LEVEL]
            written.seek(0)
            os.write(2, b"".join(line for line in written if not NATIVE_LINE.match(line)))


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A temporary folder with a token, so that no session joins another's; short, as socket paths end at 107 bytes."""
    remove_leftovers(PLACE, PREFIX)  # of drivers that were killed
    folder = living_folder(PLACE, PREFIX)
    before = {name: os.environ.get(name) for name in PRIVATE}
    os.environ["RAY_TMPDIR"] = str(folder)
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        _write_token(folder / "token")
    try:
        yield folder
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _write_token(path: Path) -> None:
    # Ray turns token authentication on by itself, but would write a token into the home folder, which a container
    # may not have.  Ray sets the mode itself: it caches it when first imported.
    path.touch(mode=0o600)
    path.write_text(_token())
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


@cache
def _token() -> str:
    """One for this process: Ray caches the first that it reads, so a second session must have the same."""
    return secrets.token_hex(32)


def _quieten() -> None:
    """Turns off bars, plans and warnings of Ray Data on the terminal: our own progress replaces them."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = _verbose()
    context.print_on_execution_start = _verbose()
    logging.getLogger("ray.data").setLevel(_level())


def _verbose() -> bool:
    return logging.getLogger().isEnabledFor(logging.INFO)


def _level() -> int:
    return logging.INFO if _verbose() else logging.ERROR
