"""`deglu train` from end to end: prompts in the cache, two gloo workers, a model directory that encodes.

In a process of its own: Ray's workers look for the prompts in the cache that their driver was started with.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from embed.errors import SpecError
from embed.model.directory import FUSION, load_joint, read_spec
from jobs.demo_material import voice
from jobs.train_model import METRICS, RIDGE, train_model
from tests.towers import Tiny, encoder_values
from tests.train.lesson import lesson_spec, write_prompts
from train.spec import TrainSpec

ALL_IN_ONE_RAY = """
import sys
from jobs.__main__ import run
from jobs.ray_session import ray_session
with ray_session(2):
    sys.exit(max(run(["train", spec, "--json"]) for spec in sys.argv[1:]))
"""
PAIRS = [("bert", "whisper"), ("qwen3", "hubert")]


@pytest.fixture(scope="module")
def trained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pairs trained for two epochs, the first pair twice: folders `bert`, `qwen3` and `again`."""
    root = tmp_path_factory.mktemp("training")
    write_prompts(root / "cache", 40)
    specs = []
    for name, (text, speech) in {"bert": PAIRS[0], "qwen3": PAIRS[1], "again": PAIRS[0]}.items():
        specs.append(str(root / f"{name}.yaml"))
        values = {**values_of(tiny, text, speech, root), "output": str(root / name)}
        Path(specs[-1]).write_text(yaml.safe_dump(values), encoding="utf-8")
    settings = {"DEGLU_CACHE": str(root / "cache"), "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2", "OMP_NUM_THREADS": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALL_IN_ONE_RAY, *specs],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return root


def values_of(tiny: Tiny, text: str, speech: str, root: Path) -> dict[str, Any]:
    return {
        "encoder": {**encoder_values(tiny, text, speech), "transform": text == "bert"},
        "sources": [{"name": "asterisk", "langs": ["fr"]}],
        "target_langs": ["en"],
        "manuals": False,
        "output": "given by the fixture",
        "work": str(root / "work"),
        "epochs": 2,
        "batch": 8,
        "workers": 2,
    }


@pytest.mark.ray
@pytest.mark.parametrize(("text", "speech"), PAIRS, ids=["bert-whisper", "qwen3-hubert"])
def test_a_training_gives_a_model_that_encodes(trained: Path, text: str, speech: str) -> None:
    output = trained / text
    model = load_joint(str(output))
    assert model.speech is not None
    assert (model.text.model.config.model_type, model.speech.family) == (text, speech)
    found = model.encode(["a voice", "un mot"], "query"), model.encode([voice(1, 0), voice(2, 1)], "document")
    for vectors in found:
        assert vectors.shape == (2, 32)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(model.fingerprints.encoder) == 32

    metrics = json.loads((output / METRICS).read_text(encoding="utf-8"))
    assert sum(metrics["clips"].values()) == 40
    assert metrics["best_epoch"] in (0, 1)
    assert 0 <= metrics["dev"]["dev_ndcg_at_10"] <= 1
    assert set(metrics["dev_ridge_ndcg_at_10_by_strength"]) == {"1.0", "10.0", "100.0", "1000.0"}
    assert (output / RIDGE).stat().st_size > 0
    assert "CC-BY-SA-3.0" in (output / "CARD.md").read_text(encoding="utf-8")


@pytest.mark.ray
def test_the_fusion_has_learned_and_the_transform_is_fitted(trained: Path) -> None:
    model = load_joint(str(trained / "bert"))
    assert model.fusion is not None
    assert model.transform is not None
    assert float(model.fusion.centre.abs().sum()) > 0  # standardised on the training frames
    rotation = model.transform.rotation
    np.testing.assert_allclose((rotation @ rotation.T).numpy(), np.eye(32), atol=1e-5)
    assert read_spec(str(trained / "qwen3")).transform is False
    assert len(list((trained / "work" / "features").glob("*.safetensors"))) == 2  # one a tower


@pytest.mark.ray
def test_the_same_seed_gives_the_same_model(trained: Path) -> None:
    first, again = ((trained / name / FUSION).read_bytes() for name in ("bert", "again"))
    assert first == again


def test_speech_is_needed(tiny: Tiny) -> None:
    spec = lesson_spec(tiny)
    alone = spec.model_copy(update={"encoder": spec.encoder.model_copy(update={"speech": None, "fusion": None})})
    with pytest.raises(SpecError, match="late fusion needs speech and fusion"):
        train_model(TrainSpec.model_validate(alone.model_dump()))
