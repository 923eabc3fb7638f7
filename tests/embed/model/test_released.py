"""The released demo model on recorded speech: the Encoder contract, its size, its card, and what it must reach."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from embed.encoder import Batch, truncate
from embed.errors import DataUnavailable
from embed.model.folder import CARD, RELEASED
from embed.model.handle import resolve_model
from embed.model.joint import JointEncoder
from embed.model.weights import load_joint
from embed.storage.cache import cache_folder
from evaluate.bench.quality_goals import goals_of
from evaluate.spec import EvaluateSpec
from jobs.evaluation.evaluate_model import evaluate_model
from train.curate.clip import Clip, read_clip
from train.curate.sources import asterisk
from train.curate.split import split

DEMO = RELEASED / "demo"
SPECS = Path(__file__).parents[3] / "deploy" / "specs"
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def model() -> JointEncoder:
    return load_joint(resolve_model("demo"))


@pytest.fixture(scope="module")
def held_out() -> list[Clip]:
    """French test prompts with an English text."""
    try:
        clips = asterisk.clips(cache_folder(), ("fr", "en"))
    except DataUnavailable as error:
        pytest.skip(str(error))
    return [clip for clip in split(clips)["test"] if clip.lang == "fr" and "en" in clip.translations]


def test_it_is_small_and_says_what_it_is_made_of() -> None:
    assert sum(path.stat().st_size for path in Path(DEMO).iterdir()) <= 16_000_000
    card = (DEMO / CARD).read_text(encoding="utf-8")
    assert "asterisk-core-sounds-fr-g722` (CC-BY-SA-3.0)" in card
    assert "deglu train deploy/specs/train-demo.yaml" in card


def test_rows_do_not_depend_on_their_batch(model: JointEncoder, held_out: list[Clip]) -> None:
    waves = [read_clip(clip) for clip in held_out[:8]]
    texts = [clip.text for clip in held_out[:20]]
    for batch in (waves, texts):
        together = model.encode(batch, "query")
        alone = np.concatenate([model.encode(cast(Batch, [one]), "query") for one in batch])
        assert (together * alone).sum(1).min() >= 0.9999
        assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


def test_spoken_and_typed_questions_find_held_out_prompts(model: JointEncoder, held_out: list[Clip]) -> None:
    """Far above chance, with a margin for other machines' arithmetic; the figures are in evaluate/NOTES.md."""
    clips = held_out[:40]
    waves = [read_clip(clip) for clip in clips]
    french = model.encode([clip.text for clip in clips], "document")
    english = model.encode([clip.translations["en"] for clip in clips], "query")
    spoken, heard = model.encode(waves, "query"), model.encode(waves, "document")
    right = np.arange(len(clips))
    for dim in (384, 128):
        first = (truncate(spoken, dim) @ truncate(french, dim).T).argmax(1)
        moment = (truncate(english, dim) @ truncate(heard, dim).T).argmax(1)
        assert (first == right).mean() > 0.6
        assert (moment == right).mean() > 0.4


@pytest.mark.timeout(1800)  # five minutes on two old cores, twice that beside other work
@pytest.mark.parametrize("name", ["evaluate-demo", "evaluate-hybrid"])
def test_it_reaches_its_gates(name: str, tmp_path: Path, held_out: list[Clip]) -> None:
    """On recorded prompts of test; the figures stand in its card."""
    spec = EvaluateSpec.load(SPECS / f"{name}.yaml", [f"output={tmp_path}", "dims=[384,128,64]"])
    # Typed questions are reported, and have no gate.
    spec = spec.model_copy(update={"tasks": [one for one in spec.tasks if one.direction == "speech-to-text"]})
    found = evaluate_model(spec)
    assert found.missed == ()
    tasks = {task.name.replace("test ", ""): task for task in found.report.tasks}
    assert [goal.what for goal in goals_of(tasks) if not goal.passed] == []
