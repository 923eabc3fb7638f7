"""A training gives the same weights whatever is killed meanwhile: a worker, the driver, the storage, the disk's room.

The checkpoints lie on S3 behind a proxy in the test's own process, which so sees how far the training is.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from torch import Tensor

from embed.storage.mirror import mirrored
from evaluate.bench.s3_server import S3Server
from jobs.command.progress import Silent
from jobs.training.checkpoint_place import checkpoints_of
from jobs.training.teacher import strategy_of
from jobs.training.training_data import training_data
from tests import chaos_cluster
from tests.chaos_cluster import MARK, Nodes, added, driver, kill, marked, nodes, wait_for
from tests.fault_proxy import Asked, Fault, FaultProxy
from tests.towers import Tiny, encoder_values
from train.fit.checkpoint import SUFFIX, State
from train.fit.loop import run
from train.fit.metrics_log import CSV, read_metrics
from train.fit.parallel import ONE_WORKER
from train.frozen.features import plan_shards
from train.spec import TrainSpec

pytestmark = [pytest.mark.chaos, pytest.mark.s3, pytest.mark.cluster, pytest.mark.timeout(900)]

WORKERS, EVERY = 2, 2  # steps between two checkpoints
ENDS_WITHIN_S = 500
RANK = "RayTrainWorker"


class Place(NamedTuple):
    """An S3 server behind a proxy, a folder, the spec that all trainings here share, and the machines."""

    server: S3Server
    proxy: FaultProxy
    folder: Path
    spec: TrainSpec
    cluster: Nodes


class Witness:
    """Counts the checkpoints of one training, and slows it down, so that a small one takes a while."""

    def __init__(self, name: str) -> None:
        self.name, self.kept = name, 0

    def __call__(self, asked: Asked) -> Fault | None:
        if asked.method != "PUT" or f"/{self.name}/" not in asked.path or SUFFIX not in asked.path:
            return None
        self.kept += 1
        return Fault.DELAY


@pytest.fixture(scope="module")
def place(tiny: Tiny, head: Nodes, place: chaos_cluster.Place, tmp_path_factory: Any) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("training-faults")
    spec = TrainSpec.parse(
        {
            "encoder": {**encoder_values(tiny), "transform": True},
            "sources": [{"name": "asterisk", "langs": ["fr"]}],
            "target_langs": ["en"],
            "manuals": False,
            "masks": {"time": 0.3},
            "optimiser": {"epochs": 5, "batch": 5, "average": 0.9},
            "checkpoints": {"every_steps": EVERY},
            "output": str(folder / "model"),
            "work": str(folder / "work"),
            "workers": WORKERS,
        }
    )
    with added(head, *WORKERS * [{}]) as cluster:
        yield Place(place.server, place.proxy, folder, spec, cluster)


@pytest.fixture(scope="module")
def undisturbed(place: Place) -> dict[str, Tensor]:
    """What a training that nobody disturbs keeps as its best, by one plain worker: two learn the same."""
    lesson = training_data(place.spec, Silent()).lesson
    url = f"{lesson.work}/features"
    shards = plan_shards(place.spec.encoder, lesson.clips, place.spec.features, place.spec.seed, url, lesson.num_train)
    values = place.spec.model_dump()
    values["features"]["cache"] = "on-the-fly"
    spec, kept = TrainSpec.parse(values), list[State]()
    for _ in run(strategy_of(spec, lesson.with_shards(shards)), spec, workers=ONE_WORKER, save=kept.append):
        pass
    return max((state for state in kept if state.scores), key=lambda state: state.scores["score"]).final_weights()


def test_a_lost_rank_a_lost_driver_and_storage_that_is_away_change_no_weight(
    place: Place, undisturbed: dict[str, Tensor]
) -> None:
    spec, path, witness = disturbed(place, "short", output="s3://test/model-of-short")
    with training(path, place.cluster) as process:
        after(witness, 2, process, path)
        kill(ranks(place.cluster)[-1])
        wait_for(lambda: "workers were lost" in said(path) or process.poll() is not None, ENDS_WITHIN_S)
        after(witness, 2, process, path)
        outage(place, 2)
        after(witness, 1, process, path)
    with training(path, place.cluster) as process:  # the first was killed on leaving
        ends(process, path, 0)
    same(spec, undisturbed)
    log = said(path)
    assert "workers were lost: continuing from step" in log
    assert log.count("from step") >= 2
    with mirrored(spec.output) as output:
        output.fetch(lambda name: name == CSV)
        steps = [step for step, _, name, _ in read_metrics(output.folder / CSV) if name == "loss/total"]
    # Two drivers have written them, each step once; those of the lost one's last seconds are missing, here perhaps all.
    assert steps == sorted(set(steps))
    assert len(steps) > EVERY


@pytest.mark.campaign
def test_an_outage_of_thirty_seconds_is_waited_out(place: Place, undisturbed: dict[str, Tensor]) -> None:
    spec, path, witness = disturbed(place, "outage")
    with training(path, place.cluster) as process:
        after(witness, 2, process, path)
        outage(place, 30)
        ends(process, path, 0)
    same(spec, undisturbed)
    assert "workers were lost" not in said(path)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(4))
def test_ranks_are_killed_again_and_again(place: Place, undisturbed: dict[str, Tensor], seed: int) -> None:
    spec, path, witness = disturbed(place, f"ranks-{seed}")
    with training(path, place.cluster) as process:
        for number in range(3):
            after(witness, 2, process, path)
            time.sleep(0.05 * seed)
            alive = ranks(place.cluster)
            kill(alive[(seed + number) % len(alive)])
        ends(process, path, 0)
    same(spec, undisturbed)


@pytest.mark.campaign
def test_what_a_lost_machine_leaves_undone_is_done_by_those_that_are_left(
    place: Place, undisturbed: dict[str, Tensor], tmp_path: Path
) -> None:
    spec, path, witness = disturbed(place, "machine", fewest_workers=1)
    with nodes(tmp_path) as cluster, training(path, cluster) as process:
        after(witness, 2, process, path)
        cluster.kill_node(0)
        ends(process, path, 0)
    same(spec, undisturbed)
    assert re.search("with 1 worker, from step [1-9]", said(path)), said(path)


@pytest.mark.campaign
def test_a_full_disk_stops_the_training_and_loses_nothing(place: Place, undisturbed: dict[str, Tensor]) -> None:
    disk = place.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(disk)], check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        spec, path, _ = disturbed(place, "disk", url=str(disk / "runs"))
        filler = disk / "filler"
        with training(path, place.cluster) as process:
            wait_for(lambda: len(list((disk / "runs").glob("*.safetensors"))) > 1, ENDS_WITHIN_S)
            filler.write_bytes(b"x" * free(disk))
            ends(process, path, 1)
        assert str(disk / "runs") in said(path).splitlines()[-1]
        filler.unlink()
        with training(path, place.cluster) as process:
            ends(process, path, 0)
        same(spec, undisturbed)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def disturbed(place: Place, name: str, url: str = "", **changed: Any) -> tuple[TrainSpec, Path, Witness]:
    """A spec with checkpoints and an output of its own, its file, and who watches it."""
    checkpoints = place.spec.checkpoints.model_copy(update={"url": url or f"s3://test/{name}"})
    update = {"checkpoints": checkpoints, "output": str(place.folder / f"model-{name}"), **changed}
    spec = place.spec.model_copy(update=update)
    path = place.folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json")), encoding="utf-8")
    place.proxy.deal = witness = Witness(name)
    return spec, path, witness


def training(path: Path, cluster: Nodes) -> Any:
    return driver(path, cluster, verb="train")


def after(witness: Witness, more: int, process: "subprocess.Popen[bytes]", path: Path) -> None:
    """Returns when so many more checkpoints are on their way."""
    wanted = witness.kept + more

    def there() -> bool:
        assert process.poll() is None, f"over after {witness.kept} checkpoints: {said(path)}"
        return witness.kept >= wanted

    wait_for(there, ENDS_WITHIN_S)


def ends(process: "subprocess.Popen[bytes]", path: Path, code: int) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN_S)
    assert process.poll() == code, said(path)


def outage(place: Place, seconds: float) -> None:
    place.server.kill()
    time.sleep(seconds)
    place.server.start()


def ranks(cluster: Nodes) -> list[int]:
    """Pids of the workers that train; at least one."""
    mark, found = cluster.environment[MARK], list[int]()

    def alive() -> bool:
        found[:] = sorted(one.pid for one in marked(mark) if RANK in one.title)
        return bool(found)

    wait_for(alive, ENDS_WITHIN_S)
    return found


def same(spec: TrainSpec, undisturbed: Mapping[str, Tensor]) -> None:
    """The best checkpoint is that of the training which nobody disturbed."""
    best = checkpoints_of(spec, training_data(spec, Silent()).lesson).best()
    assert best is not None
    found = best.final_weights()
    assert found.keys() == undisturbed.keys()
    for name, value in undisturbed.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4)


def said(path: Path) -> str:
    return path.with_suffix(".log").read_text(errors="replace")[-6000:]


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
