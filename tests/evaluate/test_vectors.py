"""The systems next to each other on tiny models: what each is made of."""

from pathlib import Path

import numpy as np
import pytest

from embed.errors import InputError, SpecError
from embed.model.handle import resolve_model
from embed.model.hybrid import transcript_vectors
from embed.model.weights import load_hybrid, load_joint
from evaluate.models import load_models
from evaluate.vectors import speech_vectors, text_vectors
from tests.evaluate.shelf import clips_in, spec_of
from train.curate.clip import Clip, read_clip

ALL = ["late-fusion", "ridge", "dual", "cascade", "hybrid", "ceiling"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return clips_in(tmp_path_factory.mktemp("clips"))


@pytest.mark.slow
def test_each_is_what_it_says(shelf: Path, clips: list[Clip]) -> None:
    models = load_models(spec_of(shelf, "hybrid", ALL, dual=str(shelf / "dual")))
    found = speech_vectors(models, ALL, clips, "query")
    assert list(found) == ALL
    model, hybrid, waves = (
        load_joint(resolve_model(str(shelf / "model"))),
        load_hybrid(resolve_model(str(shelf / "hybrid"))),
        [read_clip(one) for one in clips],
    )
    texts = [heard.texts for heard in hybrid.recogniser.transcribe(waves, hypotheses=2)]
    expected = {
        "late-fusion": model.encode(waves, "query"),
        "dual": load_joint(resolve_model(str(shelf / "dual"))).encode(waves, "query"),
        "cascade": transcript_vectors(model, texts, "query"),
        "hybrid": hybrid.encode(waves, "query"),
        "ceiling": model.encode(["a", "b", "c"], "query"),
    }
    for name, vectors in expected.items():
        assert found[name] == pytest.approx(vectors, abs=1e-4), name
    assert np.linalg.norm(np.asarray(found["ridge"]), axis=1) == pytest.approx(1, abs=1e-5)


def test_independent_heads_have_vectors_of_their_own(shelf: Path, clips: list[Clip]) -> None:
    models = load_models(spec_of(shelf, "model", ["dual"], dual=str(shelf / "apart")))
    found = speech_vectors(models, ["dual"], clips, "query")["dual"]
    assert isinstance(found, dict)
    assert {dim: rows.shape for dim, rows in found.items()} == {dim: (3, dim) for dim in (32, 16, 8)}
    for rows in found.values():
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_another_model_has_texts_of_its_own(shelf: Path, clips: list[Clip]) -> None:
    systems = ["late-fusion", "other"]
    models = load_models(spec_of(shelf, "model", systems, other=str(shelf / "hybrid"), dims=[16]))
    waves = [read_clip(one) for one in clips]
    spoken, texts = (
        speech_vectors(models, systems, clips, "query"),
        text_vectors(models, systems, ["a", "b"], "document"),
    )
    assert spoken["other"] == pytest.approx(
        load_hybrid(resolve_model(str(shelf / "hybrid"))).encode(waves, "query"), abs=1e-4
    )
    assert np.abs(np.asarray(spoken["other"]) - np.asarray(spoken["late-fusion"])).max() > 0.01
    assert texts["other"] == pytest.approx(models.model.encode(["a", "b"], "document"), abs=1e-4)  # of one space
    with pytest.raises(SpecError, match=r"has no dims \[8\]; set dims"):
        load_models(spec_of(shelf, "model", systems, other=str(shelf / "other")))


def test_late_fusion_requires_a_fusion(shelf: Path) -> None:
    with pytest.raises(InputError, match="a model with a fusion"):
        speech_vectors(load_models(spec_of(shelf, "dual", ["late-fusion"])), ["late-fusion"], [], "query")
