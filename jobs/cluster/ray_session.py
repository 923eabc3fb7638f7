"""Ray session of a job: on the cluster it runs on, on the one already joined, or a private one on this machine."""

import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# Ray reads these when it is first imported; they turn off its usage reports and a warning.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
import ray.data
import ray.exceptions

from embed.errors import DegluError, WorkLeftUndone
from embed.storage.scratch import living_folder, remove_leftovers

logger = logging.getLogger(__name__)

PLACE, PREFIX = Path("/tmp"), "dg"
PRIVATE = ("RAY_TMPDIR", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")


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


def last_line(error: BaseException) -> str:
    """The cause of an error of Ray's: its last line, after pages of traceback."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()


def first_line(error: BaseException) -> str:
    """The cause of an error that ends with advice: its first line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()


@contextmanager
def plain_errors(retries: int) -> Iterator[None]:
    """Ray's errors, after `retries` retries, raised as errors of Deglu.

    A DegluError of a worker is raised as it was; WorkLeftUndone where workers were lost.
    """
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DegluError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise WorkLeftUndone(
            f"a worker was lost {retries + 1} times ({last_line(error)}); finished work is kept: run again, and if "
            "memory ran out, with fewer `workers`"
        ) from None


@contextmanager
def _joined(address: str) -> Iterator[None]:
    ray.init(address=address, log_to_driver=_verbose(), logging_level=_level())
    _quieten()
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _started(folder: Path, cpus: int | None) -> Iterator[None]:
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
