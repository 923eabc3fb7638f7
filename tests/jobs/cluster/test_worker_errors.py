import subprocess
import sys

import pytest

from embed.errors import InputError, WorkLeftUndone
from jobs.cluster.worker_errors import plain_errors, reason_of


def test_a_lost_worker_is_work_left_undone() -> None:
    from ray.exceptions import OutOfMemoryError

    reason = r"a worker was lost 3 times \(it ran out of memory\); finished work is kept: run again"
    with pytest.raises(WorkLeftUndone, match=reason), plain_errors(2):
        raise OutOfMemoryError("Task was killed.\nTo adjust the kill threshold, set `RAY_memory_usage_threshold`")
    with pytest.raises(InputError, match="ours"), plain_errors(2):
        raise InputError("ours")


def test_a_reason_has_no_advice_of_rays() -> None:
    from ray.exceptions import (
        ActorDiedError,
        ObjectFetchTimedOutError,
        RaySystemError,
        RayTaskError,
        WorkerCrashedError,
    )

    trace = "Traceback (most recent call last):\n  File x\nValueError: batch is empty"
    task = RayTaskError("embed", trace, ValueError("batch is empty"))
    reasons = {
        ActorDiedError(): "it crashed, hung or was killed",
        ActorDiedError(task): "ValueError: batch is empty",
        WorkerCrashedError(): "it crashed, hung or was killed",
        ObjectFetchTimedOutError("00", "here", ""): "its results were lost with a machine",
        task: "ValueError: batch is empty",
        RayTaskError(
            "embed", trace, InputError("a.wav: empty; run with --new-version")
        ): "a.wav: empty; run with --new-version",
        RaySystemError("no room. Set RAY_x or call ray.init(y=1) to go on."): "System error: no room.",
        RuntimeError("See https://docs.ray.io"): "RuntimeError",
    }
    assert {error: reason_of(error) for error in reasons} == reasons


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("jobs.embedding.encode_worker", {"ray.data", "pandas", "torch", "transformers"}),
        ("jobs.training.compute_features", {"ray.data", "pandas", "transformers"}),
    ],
)
def test_a_workers_module_loads_no_library_that_it_may_not_need(module: str, heavy: set[str]) -> None:
    """Each takes seconds, and each task may be a new process."""
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
