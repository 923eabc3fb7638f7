"""`deglu train` from end to end: prompts in the cache, a worker, a model directory that encodes.

Two workers are in tests/test_train_faults.py, and in the campaign.
In a process of its own: Ray's workers look for the prompts in the cache that their driver was started with.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from embed.errors import SpecError
from embed.model.folder import CARD, FUSION, HEAD, TEXT, read_hybrid, read_spec
from embed.model.handle import resolve_model
from embed.model.hybrid import HybridEncoder
from embed.model.weights import load_joint, load_model
from embed.storage.mirror import mirrored
from evaluate.models import load_ridge
from jobs.demo.demo_material import voice
from jobs.training.publish_model import METRICS
from jobs.training.train_model import train_model
from jobs.training.training_curves import PICTURE
from tests.chaos_cluster import Nodes, Place, added
from tests.recognisers import whisper_in
from tests.towers import Tiny, encoder_values
from tests.train.lesson import write_prompts
from train.fit.metrics_log import CSV, TENSORBOARD, read_metrics
from train.spec import TrainSpec
from train.strategies.ridge import RIDGE

ALL_IN_ONE_RAY = """
import sys
from jobs.__main__ import run
from jobs.cluster.ray_session import ray_session
with ray_session():
    sys.exit(max(run(["train", spec, "--json"]) for spec in sys.argv[1:]))
"""


class Trained:
    """What the processes left behind."""

    def __init__(self, root: Path, said: str) -> None:
        self.root, self.said = root, said

    def metrics(self, name: str) -> Any:
        return json.loads((self.root / name / METRICS).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cluster(head: Nodes) -> Iterator[Nodes]:
    with added(head, {"num_cpus": 2}) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def trained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, place: Place, cluster: Nodes) -> Trained:
    """Late fusion (bert, whisper), the same with a hybrid, text (bert) on S3, ridge (qwen3, hubert)."""
    root, s3_url = tmp_path_factory.mktemp("training"), "s3://test/trained"
    late = values_of(tiny, root, encoder={**encoder_values(tiny), "transform": True})
    head = {**encoder_values(tiny, "qwen3", "hubert"), "head": {"pooling": "mean"}}
    del head["fusion"]
    texts = [{"name": "asterisk", "langs": ["fr", "en"]}]
    alone = {"encoder": encoder_values(tiny, speech=None), "sources": [], "target_langs": [], "texts": texts}
    hybrid = {"asr": whisper_in(root / "ears"), "langs": ["fr"], "weights": [0.0, 0.5, 2.0], "hypotheses": 3}
    wanted = {
        "late": late,
        "again": {**late, "hybrid": hybrid},
        "text": {**values_of(tiny, root, strategy="text", **alone), "output": f"{s3_url}/text"},
        "ridge": values_of(tiny, root, strategy="ridge", encoder=head),
    }
    said = train(cluster, root, wanted)
    with mirrored(f"{s3_url}/text") as copy:
        copy.fetch(lambda name: True)
        shutil.copytree(copy.folder, root / "text")
    return Trained(root, said)


@pytest.fixture(scope="module")
def trained_later(tiny: Tiny, trained: Trained, cluster: Nodes) -> Trained:
    """Late fusion with a second member, and a dual encoder: after those of `trained`."""
    root = trained.root
    apart = {**encoder_values(tiny), "head": {"frame_pool": 2}}
    del apart["fusion"]
    brief = {"optimiser": {"epochs": 1, "batch": 8}, "workers": 2, "fewest_workers": 1, "features": {"cache": "off"}}
    two = {**encoder_values(tiny), "transform": True}
    two["fusion"]["members"] = 2
    wanted = {
        "two": values_of(tiny, root, encoder=two),
        "dual": values_of(tiny, root, strategy="dual", encoder=apart, **brief),
    }
    return Trained(root, train(cluster, root, wanted))


def train(cluster: Nodes, root: Path, wanted: Mapping[str, dict[str, Any]]) -> str:
    """Train each, by name, in one process on the cluster; returns what it printed to stderr."""
    specs: list[str] = []
    for name, values in wanted.items():
        specs.append(str(root / f"{name}.yaml"))
        output = values["output"] if "://" in values["output"] else str(root / name)
        Path(specs[-1]).write_text(yaml.safe_dump({**values, "output": output}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALL_IN_ONE_RAY, *specs],
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


def values_of(tiny: Tiny, root: Path, **changed: Any) -> dict[str, Any]:
    return {
        "encoder": encoder_values(tiny),
        "sources": [{"name": "asterisk", "langs": ["fr"]}],
        "target_langs": ["en"],
        "manuals": False,
        "output": str(root / "out"),
        "work": str(root / "work"),
        "optimiser": {"epochs": 2, "batch": 8},
        "workers": 1,
        **changed,
    }


@pytest.mark.cluster
def test_late_fusion_gives_a_model_that_encodes(trained: Trained) -> None:
    output = trained.root / "late"
    model = load_joint(resolve_model(str(output)))
    assert model.speech is not None
    for vectors in model.encode(["a voice", "un mot"], "query"), model.encode([voice(1, 0), voice(2, 1)], "document"):
        assert vectors.shape == (2, 32)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    metrics = trained.metrics("late")
    assert sum(metrics["examples"].values()) + sum(metrics["dropped"].values()) == 40
    assert metrics["training"]["runs"][0]["steps"] == 2 * (metrics["examples"]["train"] // 8)
    assert set(metrics["dev"]) == {
        f"{way}@{dim}" for way in ("speech_to_text", "text_to_speech") for dim in (32, 16, 8)
    }
    assert all(0 <= one["low"] <= one["mean"] <= one["high"] <= 1 for one in metrics["dev"].values())
    assert (metrics["space"], metrics["encoder"]) == (model.fingerprints.space, model.fingerprints.encoder)
    assert load_ridge(resolve_model(str(output))).weights.shape[1] == 32
    assert "CC-BY-SA-3.0" in (output / "CARD.md").read_text(encoding="utf-8")
    assert model.fusion is not None
    assert float(model.fusion.centre.abs().sum()) > 0  # standardised on the training frames


@pytest.mark.cluster
def test_the_numbers_of_the_way_are_kept(trained: Trained) -> None:
    rows = read_metrics(trained.root / "late" / CSV)
    names = {name for _, _, name, _ in rows}
    wanted = {"loss/total", "loss/contrast", "temperature", "rate/learning", "gradient/norm", "speed/examples_per_s"}
    assert names >= {*wanted, "dev/score", "dev/speech_to_text@8"}
    steps = [step for step, _, name, _ in rows if name == "loss/total"]
    assert steps == list(range(1, trained.metrics("late")["training"]["runs"][0]["steps"] + 1))
    assert any((trained.root / "late" / TENSORBOARD).iterdir())
    assert (trained.root / "late" / PICTURE).is_file()
    assert "epoch 2 of 2: loss" in trained.said


@pytest.mark.cluster
def test_a_finished_training_is_published_again_without_training(trained: Trained) -> None:
    late, again = ((trained.root / name / FUSION).read_bytes() for name in ("late", "again"))
    assert late == again
    assert trained.metrics("again")["training"]["runs"][0]["stopped"] == "it was finished before"
    assert not (trained.root / "again" / CSV).exists()
    assert trained.metrics("again")["dev"] == trained.metrics("late")["dev"]


@pytest.mark.cluster
def test_a_hybrid_is_published_beside_it_with_the_weight_that_dev_likes_best(trained: Trained) -> None:
    told, folder = trained.metrics("again")["hybrid"], trained.root / "again" / "hybrid"
    scores = told["dev_speech_to_text_by_weight"]
    assert list(scores) == ["0.0", "0.5", "2.0"]
    assert scores[str(told["weight"])] == max(scores.values())
    made = read_hybrid(folder)
    assert (made.weight, made.hypotheses, made.langs) == (told["weight"], told["hypotheses"], ("fr",))
    assert told["hypotheses"] == 3
    hybrid = load_model(resolve_model(str(folder)))
    assert isinstance(hybrid, HybridEncoder)
    assert (hybrid.weight, hybrid.hypotheses) == (made.weight, 3)
    assert hybrid.fingerprints.space == trained.metrics("again")["space"]
    assert "the 3 likeliest transcripts of" in (trained.root / "again" / "CARD.md").read_text(encoding="utf-8")


@pytest.mark.cluster
@pytest.mark.campaign
def test_the_members_of_a_fusion_are_trainings_of_their_own_and_speech_is_their_mean(trained_later: Trained) -> None:
    trained = trained_later
    model, late, fresh = (load_joint(resolve_model(str(trained.root / name))) for name in ("two", "late", "two"))
    first, second = trained.metrics("two")["training"]["runs"]
    assert (first["seed"], first["stopped"]) == (0, "it was finished before")  # as `late`
    assert (second["seed"], second["stopped"]) == (1, "the last epoch is done")
    assert (trained.root / "two" / "seed-1" / CSV).is_file()
    heard = [voice(1, 0), voice(2, 1)]
    assert model.fusion is not None
    alone = []
    for fusion in model.fusions:
        model.fusion.load_state_dict(fusion.state_dict())
        others, model.others = model.others, torch.nn.ModuleList()
        alone.append(model.encode(heard, "query"))
        model.others = others
    # `model.fusion` is the second now, and so is the other.
    np.testing.assert_allclose(model.encode(heard, "query"), alone[1], atol=1e-5)
    np.testing.assert_allclose(late.encode(heard, "query"), alone[0], atol=1e-5)
    mean = np.mean(alone, axis=0)
    np.testing.assert_allclose(
        fresh.encode(heard, "query"), mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5
    )
    assert (alone[0] * alone[1]).sum(1).max() < 0.9999


@pytest.mark.cluster
def test_text_gives_a_tower_of_its_own(trained: Trained) -> None:
    output = trained.root / "text"
    assert (output / TEXT / "model.safetensors").is_file()
    vectors = load_model(resolve_model(str(output))).encode(["a voice", "un mot"], "query")
    assert vectors.shape == (2, 32)
    assert set(trained.metrics("text")["dev"]) == {f"query_to_document@{dim}" for dim in (32, 16, 8)}
    assert read_spec(str(output)).text.name == str(output / TEXT)
    assert {CARD, CSV, PICTURE, TENSORBOARD} <= {path.name for path in output.iterdir()}
    assert not Path("s3:").exists()


@pytest.mark.cluster
def test_ridge_is_a_model_too(trained: Trained) -> None:
    output = trained.root / "ridge"
    assert (output / HEAD).is_file()
    model, ridge = load_joint(resolve_model(str(output))), load_ridge(resolve_model(str(output)))
    found = model.encode([voice(1, 0)], "query")
    assert model.speech is not None
    frames, lengths = model.speech([voice(1, 0)])
    np.testing.assert_allclose(found, ridge.predict(frames[:, : int(lengths[0])].mean(1)).numpy(), atol=5e-3)
    metrics = trained.metrics("ridge")
    assert str(metrics["ridge"]["chosen"]) in metrics["ridge"]["dev_speech_to_text_by_strength"]
    assert "training" not in metrics
    assert (output / RIDGE).is_file()


@pytest.mark.cluster
@pytest.mark.campaign
def test_a_dual_encoder_has_a_head_of_its_own(trained_later: Trained) -> None:
    trained = trained_later
    model = load_joint(resolve_model(str(trained.root / "dual")))
    assert (trained.root / "dual" / HEAD).is_file()
    assert model.encode([voice(1, 0)], "query").shape == (1, 32)
    assert trained.metrics("dual")["training"]["runs"][0]["steps"] == trained.metrics("dual")["examples"]["train"] // 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"optimiser": {"batch": 400}}, "optimiser.batch = 400, but there are"),
        ({"optimiser": {"batch": 4}, "workers": 5}, "less than a row for each of 5 workers"),
        ({"workers": 1, "fewest_workers": 2}, "fewest_workers = 2 is more than workers = 1"),
        ({"dims": [64, 32]}, "encoder.dims begins with 64, but vectors of .* have 32 dims; begin with 32"),
    ],
    ids=["batch above the data", "batch below the workers", "fewest above all", "dims above the tower's"],
)
def test_what_cannot_be_is_refused_before_anything_heavy(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], said: str
) -> None:
    write_prompts(tmp_path / "cache", 40)
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    encoder = {**encoder_values(tiny), **({"dims": changed.pop("dims")} if "dims" in changed else {})}
    with pytest.raises(SpecError, match=said):
        train_model(TrainSpec.parse(values_of(tiny, tmp_path, encoder=encoder, **changed)))
