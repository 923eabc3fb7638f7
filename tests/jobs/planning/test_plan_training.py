"""What a training will take, told without loading weights or opening recordings."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.__main__ import run
from jobs.command.progress import Silent
from jobs.planning.plan_training import plan_training, trained_parameters
from jobs.training.teacher import strategy_of
from jobs.training.training_data import training_data
from tests.towers import Tiny, encoder_values
from tests.train.lesson import write_prompts
from train.frozen.features import plan_shards
from train.spec import TrainSpec


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    write_prompts(folder, 40)
    return folder


@pytest.fixture(autouse=True)
def _cached(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(prompts))


def values_of(tiny: Tiny, folder: Path, **changed: Any) -> dict[str, Any]:
    return {
        "encoder": encoder_values(tiny),
        "sources": [{"name": "asterisk", "langs": ["fr"]}],
        "target_langs": ["en"],
        "optimiser": {"epochs": 3, "batch": 8},
        "features": {"views": [{}, {"speed": 1.1}]},
        "output": str(folder / "out"),
        "work": str(folder / "work"),
        **changed,
    }


@pytest.mark.slow
def test_examples_steps_bytes_and_parameters(tiny: Tiny, tmp_path: Path) -> None:
    found = plan_training(TrainSpec.parse(values_of(tiny, tmp_path)))
    document = found.document()
    train = document["examples"]["train"]
    assert sum(document["examples"].values()) + sum(document["dropped"].values()) == 40
    assert document["steps"] == {"an_epoch": train // 8, "epochs": 3, "all": 3 * (train // 8), "batch": 8}
    assert document["features"]["views"] == 2
    assert document["features"]["bytes"] >= document["features"]["frames"] * 2 * 64  # float16, two layers of 32
    assert document["features"]["missing"] == document["features"]["shards"] == 3  # train in two views, and dev
    assert set(document["towers"]) == {"text", "speech"}
    assert f"{train} train" in found.text()
    assert not (tmp_path / "work").exists()  # nothing is written


@pytest.mark.slow
def test_members_are_trained_one_after_another(tiny: Tiny, tmp_path: Path) -> None:
    values = values_of(tiny, tmp_path, seed=5)
    alone = plan_training(TrainSpec.parse(values)).document()
    values["encoder"]["fusion"]["members"] = 3
    spec = TrainSpec.parse(values)
    found = plan_training(spec)
    assert found.document()["steps"]["all"] == 3 * alone["steps"]["all"]
    assert found.document()["trained_parameters"] == 3 * alone["trained_parameters"]
    assert "3 epochs of 3 trainings" in found.text()
    assert [(one.seed, Path(one.output).name) for one in spec.trainings] == [(n, f"seed-{n}") for n in (5, 6, 7)]
    assert all(one.encoder.fusion is not None and one.encoder.fusion.members == 1 for one in spec.trainings)
    kept = TrainSpec.parse({**values, "checkpoints": {"url": "s3://bucket/own/"}})
    assert kept.trainings[1].checkpoints.url == "s3://bucket/own/seed-6"
    assert spec.trainings[1].checkpoints.url == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"strategy": "dual", "head": {"hidden": 12}},
        {"adapt": {"text": {"rank": 2}, "speech": {"rank": 2, "targets": ["q_proj"]}, "unfreeze": 1}},
    ],
    ids=["fusion", "head", "adapters"],
)
def test_parameters_are_those_that_will_be_trained(tiny: Tiny, tmp_path: Path, changed: dict[str, Any]) -> None:
    encoder = encoder_values(tiny)
    strategy = changed.pop("strategy", "late-fusion")
    if "head" in changed:
        del encoder["fusion"]
    encoder |= changed
    cache = "off" if "adapt" in changed else "on-the-fly"
    values = values_of(tiny, tmp_path, encoder=encoder, strategy=strategy, features={"cache": cache})
    spec = TrainSpec.parse(values)
    lesson = training_data(spec, Silent()).lesson
    shards = plan_shards(spec.encoder, lesson.clips, spec.features, 0, str(tmp_path / "features"), lesson.num_train)
    taught = strategy_of(spec, lesson.with_shards(shards))
    assert trained_parameters(spec) == sum(one.numel() for one in taught.parameters().values())


def test_both_commands_show_it(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(values_of(tiny, tmp_path)), encoding="utf-8")
    documents = []
    for words in (["plan", str(path), "--json"], ["train", str(path), "--dry-run", "--json"]):
        assert run(words) == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1]
    assert documents[0]["spec"]["optimiser"]["batch"] == 8
