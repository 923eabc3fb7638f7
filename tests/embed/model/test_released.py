"""The released demo model on recorded speech: the Encoder contract, its size, its card, and what it must reach."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from embed.encoder import Batch, truncate
from embed.errors import DataUnavailable
from embed.identity import digest
from embed.model.folder import CARD, RELEASED
from embed.model.handle import resolve_model
from embed.model.joint import JointEncoder
from embed.model.weights import load_joint
from embed.storage.cache import cache_folder
from evaluate.bench.quality_goals import goals_of
from evaluate.spec import EvaluateSpec
from evaluate.systems import SystemName
from jobs.evaluation.evaluate_model import evaluate_model
from train.curate.benchmarks import prompts
from train.curate.clip import Clip, read_clip
from train.curate.sources import asterisk
from train.curate.speech_pairs import prompts_by_part
from train.curate.split import Part, split

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


@pytest.mark.slow
def test_rows_do_not_depend_on_their_batch(model: JointEncoder, held_out: list[Clip]) -> None:
    waves = [read_clip(clip) for clip in held_out[:8]]
    texts = [clip.text for clip in held_out[:20]]
    for batch in (waves, texts):
        together = model.encode(batch, "query")
        alone = np.concatenate([model.encode(cast(Batch, [one]), "query") for one in batch])
        assert (together * alone).sum(1).min() >= 0.9999
        assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_spoken_and_typed_questions_find_held_out_prompts(model: JointEncoder, held_out: list[Clip]) -> None:
    """Far above chance, with a margin for other machines' arithmetic; the figures are in evaluate/NOTES.md."""
    clips = held_out[:30]
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


# The sample of a task: so many recordings, the first by the digest of their keys; all of its texts are searched.
# (task, dim) -> the nDCG@10 wanted there: what this model reached (2026-11-30, float32, x86-64 without AVX-512), less
# what a question or two are worth.  A new model is measured again.  The prompts of asterisk are asked above; the other
# languages, and the systems that this one is compared with, are measured by the campaign.
SAMPLES: dict[str, tuple[int, SystemName, dict[tuple[str, int], float]]] = {
    "evaluate-demo": (
        24,
        "late-fusion",
        {
            ("tuxpaint test fr->en", 384): 0.47,  # 0.527
            ("tuxpaint test fr->en", 128): 0.48,  # 0.537
            ("tuxpaint test fr->en", 64): 0.45,  # 0.504
            ("tuxpaint test el->en", 384): 0.34,  # 0.393
        },
    ),
    "evaluate-hybrid": (12, "hybrid", {("tuxpaint test fr->en", 384): 0.52}),  # 0.614
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_it_reaches_the_gates_of_a_fixed_sample(
    name: str, tmp_path: Path, held_out: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing between a recording and its score has changed; how good the model is, the campaign measures."""
    num, system, wanted = SAMPLES[name]
    monkeypatch.setattr(prompts, "prompts_by_part", partial(sampled, num))
    spec = spoken_tasks(name, tmp_path)
    spec = spec.model_copy(
        update={
            "systems": (system,),
            "baseline": None,
            "tasks": [task for task in spec.tasks if any(task.name == known for known, _ in wanted)],
            "gates": [
                f"ndcg@10[{task}, dim={dim}, system={system}] >= {least}" for (task, dim), least in wanted.items()
            ],
        }
    )
    found = evaluate_model(spec)
    assert found.missed == ()
    assert {task.queries for task in found.report.tasks} == {num}
    assert (tmp_path / "report.md").is_file()


def sampled(
    num: int, source: str, cache: Path, langs: Sequence[str], text_langs: Sequence[str]
) -> tuple[dict[Part, list[Clip]], list[Clip]]:
    """`prompts_by_part` with so many recordings of each part."""
    parts, torn = prompts_by_part(source, cache, langs, text_langs)
    found: dict[Part, list[Clip]] = {}
    for part, clips in parts.items():
        asked = [clip for clip in clips if clip.lang in langs and set(text_langs) <= clip.translations.keys()]
        found[part] = sorted(asked, key=lambda clip: digest(clip.key))[:num]
    return found, torn


@pytest.mark.campaign
@pytest.mark.timeout(1800)  # five minutes on two old cores, twice that beside other work
@pytest.mark.parametrize("name", SAMPLES)
def test_it_reaches_its_gates(name: str, tmp_path: Path, held_out: list[Clip]) -> None:
    """On all recorded prompts of test; the figures are in its card."""
    found = evaluate_model(spoken_tasks(name, tmp_path))
    assert found.missed == ()
    reached = {task.name.replace("test ", ""): task for task in found.report.tasks}
    assert [goal.what for goal in goals_of(reached) if not goal.passed] == []


def spoken_tasks(name: str, output: Path) -> EvaluateSpec:
    """Typed questions are reported, and have no gate."""
    changes = [f"output={output}", "dims=[384,128,64]", "keep=false", "ranks=null", "cost=null"]
    spec = EvaluateSpec.load(SPECS / f"{name}.yaml", changes)
    return spec.model_copy(update={"tasks": [one for one in spec.tasks if one.direction == "speech-to-text"]})
