"""The systems side by side on tiny models: what each is made of, and what it wants."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from embed.encoder import FloatArray, Role
from embed.errors import InputError, SpecError
from embed.model.folder import HybridSpec
from embed.model.handle import resolve_model
from embed.model.hybrid import save_hybrid, transcript_vectors
from embed.model.weights import load_hybrid, load_joint
from evaluate.spec import EvaluateSpec
from evaluate.systems import RIDGE, load_compared, speech_vectors, text_vectors
from tests.recognisers import whisper_in
from tests.towers import Tiny, encoder_values, model_in
from train.curate.clip import Clip, read_clip

ALL = ["late-fusion", "ridge", "dual", "cascade", "hybrid", "ceiling"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Path:
    """A model with its ridge, a hybrid of it, two duals, a model of other dims, a recogniser."""
    folder, values = tmp_path_factory.mktemp("shelf"), encoder_values(tiny)
    model_in(folder / "model", values)
    width = load_joint(resolve_model(str(folder / "model"))).speech.width  # type: ignore[union-attr]
    weights = {"centre": torch.zeros(width), "scale": torch.ones(width)}
    weights |= {"weights": torch.randn(width, 32), "bias": torch.zeros(32)}
    save_file(weights, folder / "model" / RIDGE)
    head = {**{key: value for key, value in values.items() if key != "fusion"}, "head": {"frame_pool": 2}}
    model_in(folder / "dual", head)
    model_in(folder / "apart", head | {"head": {"independent": True}})
    model_in(folder / "other", head | {"dims": [32, 16]})
    save_hybrid(
        HybridSpec.parse(
            {"model": "../model", "asr": whisper_in(folder / "ears"), "langs": ["fr"], "weight": 0.5, "hypotheses": 2}
        ),
        folder / "hybrid",
    )
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Three noises; of one nobody knows the language."""
    folder, noise = tmp_path_factory.mktemp("clips"), np.random.default_rng(3)
    found = []
    for i, lang in enumerate(["fr", "fr", "tlh"]):
        path = folder / f"{i}.wav"
        soundfile.write(path, noise.normal(0, 0.1, 12_000 + 4_000 * i), 16_000)
        found.append(Clip("ast", f"ast:{i}", lang, "abc"[i], str(path), {lang: "abc"[i]}))
    return found


def spec_of(shelf: Path, model: str, systems: list[str], **changes: Any) -> EvaluateSpec:
    values = {"model": str(shelf / model), "systems": systems, "output": "out"}
    task = {"source": "asterisk", "speech_lang": "fr", "text_lang": "en"}
    return EvaluateSpec.parse(values | {"tasks": [task]} | changes)


def test_each_is_what_it_says(shelf: Path, clips: list[Clip]) -> None:
    compared = load_compared(spec_of(shelf, "hybrid", ALL, dual=str(shelf / "dual")))
    found = speech_vectors(compared, ALL, clips, "query")
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
    compared = load_compared(spec_of(shelf, "model", ["dual"], dual=str(shelf / "apart")))
    found = speech_vectors(compared, ["dual"], clips, "query")["dual"]
    assert isinstance(found, dict)
    assert {dim: rows.shape for dim, rows in found.items()} == {dim: (3, dim) for dim in (32, 16, 8)}
    for rows in found.values():
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_recording_is_transcribed_once_and_told_its_language(
    shelf: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = load_compared(spec_of(shelf, "model", ["cascade"], hearing={"asr": str(shelf / "ears")})).ears
    assert ears is not None
    told, hear = [], ears.recogniser.transcribe

    def transcribe(waves: list[FloatArray], langs: tuple[str, ...], hypotheses: int) -> Any:
        told.append((len(waves), langs, hypotheses))
        return hear(waves, langs, hypotheses)

    monkeypatch.setattr(ears.recogniser, "transcribe", transcribe)
    assert ears.texts(clips) == ears.texts(clips[::-1])[::-1]
    assert told == [(1, (), 1), (2, ("fr",), 1)]


def test_a_hybrid_brings_its_own_number_of_transcripts(shelf: Path) -> None:
    found = [
        load_compared(spec_of(shelf, "hybrid", ["cascade"], hearing=hearing)).ears
        for hearing in ({}, {"hypotheses": 4})
    ]
    assert [ears.hypotheses for ears in found if ears is not None] == [2, 4]


def test_texts_that_tasks_share_are_encoded_once_a_role(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = load_compared(spec_of(shelf, "model", ["late-fusion"]))
    encoded, encode = [], compared.model.encode

    def counting(texts: list[str], role: Role) -> FloatArray:
        encoded.append((tuple(texts), role))
        return encode(texts, role)

    monkeypatch.setattr(compared.model, "encode", counting)
    asked: list[tuple[list[str], Role]] = [(["a", "b"], "query"), (["a", "b"], "document"), (["a", "b"], "query")]
    found = [text_vectors(compared, ["late-fusion"], texts, role)["late-fusion"] for texts, role in asked]
    assert encoded == [(("a", "b"), "query"), (("a", "b"), "document")]
    assert found[0] is found[2]
    np.testing.assert_array_equal(np.asarray(found[1]), encode(["a", "b"], "document"))


def test_another_model_has_texts_of_its_own(shelf: Path, clips: list[Clip]) -> None:
    systems = ["late-fusion", "other"]
    compared = load_compared(spec_of(shelf, "model", systems, other=str(shelf / "hybrid"), dims=[16]))
    waves = [read_clip(one) for one in clips]
    spoken, texts = (
        speech_vectors(compared, systems, clips, "query"),
        text_vectors(compared, systems, ["a", "b"], "document"),
    )
    assert spoken["other"] == pytest.approx(
        load_hybrid(resolve_model(str(shelf / "hybrid"))).encode(waves, "query"), abs=1e-4
    )
    assert np.abs(np.asarray(spoken["other"]) - np.asarray(spoken["late-fusion"])).max() > 0.01
    assert texts["other"] == pytest.approx(compared.model.encode(["a", "b"], "document"), abs=1e-4)  # of one space
    with pytest.raises(SpecError, match=r"has no dims \[8\]; set dims"):
        load_compared(spec_of(shelf, "model", systems, other=str(shelf / "other")))


def test_what_is_missing_is_named(shelf: Path) -> None:
    with pytest.raises(SpecError, match=r"is no hybrid .* give hearing\.weight"):
        load_compared(spec_of(shelf, "model", ["hybrid"], hearing={"asr": str(shelf / "ears")}))
    with pytest.raises(SpecError, match="has no head"):
        load_compared(spec_of(shelf, "model", ["dual"], dual=str(shelf / "model")))
    with pytest.raises(SpecError, match="of another space"):
        load_compared(spec_of(shelf, "model", ["dual"], dual=str(shelf / "other")))
    with pytest.raises(InputError, match="no ridge baseline"):
        load_compared(spec_of(shelf, "dual", ["ridge"]))
    with pytest.raises(InputError, match="a model with a fusion"):
        speech_vectors(load_compared(spec_of(shelf, "dual", ["late-fusion"])), ["late-fusion"], [], "query")
