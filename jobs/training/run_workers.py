"""Workers of a training, run by Ray Train until they are done; checkpoints are ours, not Ray's."""

import secrets
import shutil
from typing import Any

import ray
import ray.exceptions
import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from embed.errors import WorkLeftUndone
from embed.storage.cache import cache_folder
from embed.storage.mirror import Mirror
from jobs.cluster.handshake import Terms
from jobs.cluster.worker_errors import reason_of
from jobs.command.progress import Progress
from jobs.training.event_channel import event_channel
from jobs.training.follow_training import TrainingFollower
from jobs.training.teacher import Lesson
from jobs.training.train_worker import train_worker
from jobs.training.training_machines import TrainingMachines
from train.fit.checkpoint import Checkpoints
from train.fit.metrics_log import MetricsLog
from train.spec import TrainSpec


def run_workers(
    spec: TrainSpec,
    lesson: Lesson,
    checkpoints: Checkpoints,
    output: Mirror,
    progress: Progress,
    machines: TrainingMachines,
) -> str:
    """Run the workers until they end; returns why they stopped.  Raises the error that they gave up with."""
    scratch = cache_folder() / "ray-train"
    # A unique name: Ray would restore the state of an earlier run, but the state is in our checkpoints.
    name = f"{spec.strategy}-{secrets.token_hex(6)}"
    try:
        with MetricsLog(output.path(spec.output)) as numbers:
            follower = TrainingFollower(spec, progress, numbers, output.push)
            with event_channel(follower.take) as channel:
                _trainer(
                    spec, (lesson, checkpoints, machines.terms), machines.options, channel, str(scratch), name
                ).fit()
    except (ray.train.TrainingFailedError, ray.exceptions.RayError) as error:
        raise WorkLeftUndone(
            f"the training's workers failed ({reason_of(error)}); checkpoints are kept: run again, and if memory ran"
            " out, with fewer `workers` or a smaller optimiser.micro_batch"
        ) from None
    finally:
        shutil.rmtree(scratch / name, ignore_errors=True)
        progress.end()
    return follower.stopped


def _trainer(
    spec: TrainSpec,
    task: tuple[Lesson, Checkpoints, Terms],
    options: dict[str, Any],
    channel: Any,
    scratch: str,
    name: str,
) -> TorchTrainer:
    workers = spec.workers if spec.fewest_workers is None else (spec.fewest_workers, spec.workers)
    return TorchTrainer(
        train_worker,
        train_loop_config={
            "spec": spec.model_dump(),
            # A reference: Ray's controller, which reads this too, would import all that a worker does.
            "task": ray.put(task),
            "channel": channel,
        },
        scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=spec.gpu, **options),
        torch_config=TorchConfig(backend="nccl" if spec.gpu else "gloo"),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=scratch,
            # The channel limits the restarts: it knows whether the workers make progress.
            failure_config=ray.train.FailureConfig(max_failures=-1),
        ),
    )
