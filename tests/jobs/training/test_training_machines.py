"""Machines of a training: what each must prove, and that too few of them end the training with the causes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from embed.errors import SpecError, WorkLeftUndone
from embed.machine import MachineFault
from jobs.cluster.handshake import MARK, Terms, check
from jobs.cluster.machines import Fault, Machines
from jobs.command.progress import Silent
from jobs.training import training_machines as module
from jobs.training.compute_features import Featurer
from jobs.training.teacher import Lesson
from jobs.training.training_machines import training_machines
from tests.towers import Tiny, encoder_values
from train.curate.clip import Clip
from train.frozen.features import Shard
from train.spec import TrainSpec

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def spec_of(tiny: Tiny, folder: Path, **changed: Any) -> TrainSpec:
    values = {
        "encoder": encoder_values(tiny),
        "sources": [{"name": "asterisk", "langs": ["fr"]}],
        "output": str(folder / "model"),
    }
    return TrainSpec.parse({**values, "work": str(folder / "work"), **changed})


def lesson_of(folder: Path) -> Lesson:
    (folder / "clip.wav").write_bytes(b"some sound")
    clip = Clip("manifest", "manifest/1", "fr", "bonjour", str(folder / "clip.wav"), {})
    return Lesson((clip, clip), (), 1, str(folder / "work"))


def test_towers_folders_and_recordings_are_proven_for_as_long_as_the_training(tiny: Tiny, tmp_path: Path) -> None:
    spec = spec_of(tiny, tmp_path, checkpoints={"url": str(tmp_path / "runs")})
    with training_machines(spec, lesson_of(tmp_path), Silent()) as machines:
        terms = machines.terms
        assert [one.field for one in terms.weights] == ["encoder.text.name", "encoder.speech.name"]
        assert [one.field for one in terms.files] == ["work", "checkpoints.url", "sources"]
        assert [field for field, _ in terms.folders] == ["work", "checkpoints.url"]
        ray.get(ray.remote(check).remote(terms))  # as a machine that joins now
        assert machines.options == {}
    for folder in ("work", "runs"):
        assert not list((tmp_path / folder).glob(f"{MARK}*"))


def test_a_worker_of_the_features_proves_itself_before_its_first_shard(tiny: Tiny, tmp_path: Path) -> None:
    spec = spec_of(tiny, tmp_path)
    with training_machines(spec, lesson_of(tmp_path), Silent()) as machines:
        weights = tuple(replace(one, digest="0" * 32) for one in machines.terms.weights)
    shard = Shard.__new__(Shard)  # not looked at
    with pytest.raises(MachineFault, match=r"encoder\.text\.name = .*: other weights are there"):
        Featurer(spec.model_dump(), Terms(weights)).compute(shard)


def test_too_few_machines_end_the_training_with_the_causes(tiny: Tiny, tmp_path: Path) -> None:
    with (
        pytest.raises(SpecError, match=r"workers = 3, but there are 2 cores here; lower it"),
        training_machines(spec_of(tiny, tmp_path, workers=3), lesson_of(tmp_path), Silent()),
    ):
        pass
    machines = Machines(lambda: None, Silent().note)
    module._check_left(spec_of(tiny, tmp_path, workers=2), machines)
    node = ray.get_runtime_context().get_node_id()
    machines.faults[node] = Fault(node, "10.0.0.3 (b)", "work: the folder is not shared")
    causes = (
        r"^1 workers are required, .* room for 0 .*\. 10\.0\.0\.3 \(b\): work: the folder is not shared\. Checkpoints"
    )
    with pytest.raises(WorkLeftUndone, match=causes):
        module._check_left(spec_of(tiny, tmp_path, workers=2, fewest_workers=1), machines)
