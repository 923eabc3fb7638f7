"""Errors of Ray's workers in our words: why a worker failed, in one line, and as an error of Deglu.

Workers import this module too, so it imports neither Ray Data, which takes a second, nor what starts a session.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import ray.exceptions

from embed.errors import DegluError, WorkLeftUndone
from embed.quantities import many

# Why a worker failed, in our words: Ray's messages are pages that end with advice on settings of Ray.
CRASHED = "it crashed, hung or was killed"
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ray.exceptions.OutOfMemoryError, "it ran out of memory"),
    (ray.exceptions.NodeDiedError, "its machine was lost"),
    (ray.exceptions.RayActorError, CRASHED),
    (ray.exceptions.WorkerCrashedError, CRASHED),
    (ray.exceptions.OutOfDiskError, "its disk is full"),
    (ray.exceptions.ObjectStoreFullError, "Ray's shared memory is full"),
    (ray.exceptions.ObjectLostError, "its results were lost with a machine"),
)
_ADVICE = re.compile(
    r"\bRAY_\w|\bray\.\w|\bray (?:start|stop|status)\b|--\w|https?://|environment variable", re.IGNORECASE
)


def reason_of(error: BaseException) -> str:
    """Why a worker failed, in one line without Ray's advice."""
    cause = getattr(error, "cause", error)  # of a task: the error that it raised
    if isinstance(cause, DegluError):
        return str(cause)
    if failures := getattr(error, "worker_failures", None):  # of a training, by worker
        return reason_of(next(iter(failures.values())))
    raised = isinstance(error, ray.exceptions.RayTaskError) or "raised in its creation task" in str(error)
    known = next((reason for kind, reason in REASONS if isinstance(error, kind)), None)
    if known and not raised:
        return known
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    sentences = re.split(r"(?<=[.!?])\s", lines[-1] if raised else lines[0])  # an error of a worker ends its traceback
    return " ".join(one for one in sentences if not _ADVICE.search(one)) or type(error).__name__


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
            f"a worker was lost {many(retries + 1, 'time')} ({reason_of(error)}); finished work is kept: run again, and"
            " if memory ran out, with fewer `workers`"
        ) from None
