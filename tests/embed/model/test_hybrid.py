"""The hybrid: the model's own texts, its speech plus the weighted words, a folder that says what it is made of."""

import json
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import FloatArray
from embed.errors import SpecError
from embed.model.folder import HYBRID, HybridSpec, inner_model, read_hybrid
from embed.model.handle import resolve_model
from embed.model.hybrid import HybridEncoder, mix, save_hybrid, transcript_vectors
from embed.model.weights import load_hybrid, load_model
from tests.recognisers import whisper_in
from tests.towers import Tiny, encoder_values, model_in


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny: Tiny) -> Path:
    """A folder with a model, a text model and a recogniser."""
    folder = tmp_path_factory.mktemp("shelf")
    model_in(folder / "model", encoder_values(tiny))
    model_in(folder / "text", encoder_values(tiny, speech=None))
    whisper_in(folder / "ears")
    return folder


def hybrid_in(shelf: Path, name: str, **values: object) -> HybridEncoder:
    spec = {"model": "../model", "asr": str(shelf / "ears"), "langs": ["fr"], "weight": 0.5, **values}
    save_hybrid(HybridSpec.parse(spec), shelf / name)
    return load_hybrid(resolve_model(str(shelf / name)))


def waves(*seconds: float) -> list[FloatArray]:
    noise = np.random.default_rng(3)
    return [noise.normal(0, 0.1, int(s * 16_000)).astype(np.float32) for s in seconds]


def test_speech_and_words_are_added_by_weight() -> None:
    east, north = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[1:]
    assert mix(east, north, 0.0) == pytest.approx(east)
    assert mix(east, north, 1.0) == pytest.approx(np.sqrt([[0.5, 0.5]]))
    assert mix(east, north, 3.0) == pytest.approx(np.array([[1, 3]]) / np.sqrt(10))
    assert mix(east, np.zeros((1, 2), np.float32), 3.0) == pytest.approx(east)


@pytest.mark.slow
def test_it_hears_with_both_ears_and_reads_as_before(shelf: Path) -> None:
    hybrid, plain = hybrid_in(shelf, "half"), load_model(resolve_model(str(shelf / "model")))
    clips = waves(0.5, 1.5, 1.0)
    texts = [heard.text for heard in hybrid.recogniser.transcribe(clips)]
    assert all(texts)
    for role in ("query", "document"):
        spoken, written = plain.encode(clips, role), plain.encode(texts, role)
        expected = spoken + 0.5 * written
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert hybrid.encode(clips, role) == pytest.approx(expected, abs=1e-5)
        assert np.array_equal(hybrid.encode(["a", "b"], role), plain.encode(["a", "b"], role))
    alone = np.concatenate([hybrid.encode([clip], "query") for clip in clips])
    assert (alone * hybrid.encode(clips, "query")).sum(1).min() >= 0.9999
    assert hybrid.encode([], "query").shape == (0, 32)
    assert hybrid.dims == plain.dims


@pytest.mark.slow
def test_the_space_is_the_models_and_the_encoder_its_own(shelf: Path) -> None:
    plain = load_model(resolve_model(str(shelf / "model"))).fingerprints
    half, whole = hybrid_in(shelf, "half").fingerprints, hybrid_in(shelf, "whole", weight=1.0).fingerprints
    bound = hybrid_in(shelf, "bound", langs=["wo"]).fingerprints
    assert {plain.space} == {half.space, whole.space, bound.space}
    assert len({plain.encoder, half.encoder, whole.encoder, bound.encoder}) == 4
    assert hybrid_in(shelf, "again").fingerprints == half


def test_what_was_not_said_has_no_vector(shelf: Path) -> None:
    plain = load_model(resolve_model(str(shelf / "model")))
    found = transcript_vectors(plain, [[""], ["a"], [" "]], "query")
    assert np.linalg.norm(found, axis=1) == pytest.approx([0, 1, 0])
    assert found[1] == pytest.approx(plain.encode(["a"], "query")[0], abs=1e-5)


def test_what_may_have_been_said_counts_by_what_it_has_in_common(shelf: Path) -> None:
    plain = load_model(resolve_model(str(shelf / "model")))
    a, b = plain.encode(["a", "b"], "query")
    found = transcript_vectors(plain, [["a", "b"], ["b", "b", "a"], ["a", "", " "]], "query")
    for mean, row in zip((a + b, a + 2 * b, a), found, strict=True):
        assert row == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


@pytest.mark.slow
def test_it_looks_for_several_transcripts(shelf: Path) -> None:
    hybrid, plain, clips = (
        hybrid_in(shelf, "several", hypotheses=3),
        load_model(resolve_model(str(shelf / "model"))),
        waves(0.5, 1.5),
    )
    heard = hybrid.recogniser.transcribe(clips, hypotheses=3)
    assert [len(set(one.texts)) for one in heard] == [3, 3]
    words = transcript_vectors(plain, [one.texts for one in heard], "query")
    expected = mix(plain.encode(clips, "query"), words, 0.5)
    assert hybrid.encode(clips, "query") == pytest.approx(expected, abs=1e-5)
    assert hybrid.fingerprints.encoder != hybrid_in(shelf, "half").fingerprints.encoder


@pytest.mark.slow
def test_it_goes_where_its_folder_goes(shelf: Path, tmp_path: Path) -> None:
    """The model and the recogniser beside it or inside are found from wherever it stands."""
    model_in(tmp_path / "a" / "model", json.loads((shelf / "model" / "encoder.json").read_text()))
    whisper_in(tmp_path / "a" / "model" / "hybrid" / "ears")
    spec = HybridSpec.parse({"model": "..", "asr": "./ears"})
    save_hybrid(spec, tmp_path / "a" / "model" / "hybrid")
    before = load_hybrid(resolve_model(str(tmp_path / "a" / "model" / "hybrid"))).fingerprints
    (tmp_path / "a").rename(tmp_path / "b")
    assert load_hybrid(resolve_model(str(tmp_path / "b" / "model" / "hybrid"))).fingerprints == before
    assert inner_model(tmp_path / "b" / "model" / "hybrid", spec) == str(tmp_path / "b" / "model")


def test_a_model_that_is_not_a_hybrid_is_named(shelf: Path) -> None:
    with pytest.raises(SpecError, match="is not a hybrid; name a folder with"):
        load_hybrid(resolve_model(str(shelf / "model")))


def test_what_cannot_be_is_named(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"hybrid\.json: cannot be read"):
        read_hybrid(tmp_path)
    (tmp_path / HYBRID).write_text("{")
    with pytest.raises(SpecError, match="not readable as JSON"):
        load_hybrid(resolve_model(str(tmp_path)))
    (tmp_path / HYBRID).write_text('{"model": "demo", "ear": 1}')
    with pytest.raises(SpecError, match="ear"):
        load_hybrid(resolve_model(str(tmp_path)))
    hybrid_in(shelf, "half")
    with pytest.raises(SpecError, match="is a hybrid itself"):
        hybrid_in(shelf, "twice", model="../half")
    with pytest.raises(SpecError, match="text alone"):
        hybrid_in(shelf, "deaf", model="../text")
