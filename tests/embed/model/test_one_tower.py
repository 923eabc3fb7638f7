"""EmbeddingGemma 2 on a small random checkpoint of its own classes: the library's own vectors, rows of their own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel, AutoTokenizer

from embed.encoder import Batch, FloatArray, Role, truncate
from embed.errors import InputError, SpecError
from embed.model.folder import is_hub_name
from embed.model.handle import ModelHandle, resolve_model
from embed.model.spec import EncoderSpec
from embed.model.weights import Model, load_model
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import refuse_long_speech, refuse_truncation
from embed.segmentation.spans import SegmentSpec
from tests.towers import Tiny

ROLES: tuple[Role, ...] = ("query", "document")
TEXTS = ["a", "the radio says: rain", "ou est le marché?"]


@pytest.fixture(scope="module")
def handle(tiny: Tiny) -> ModelHandle:
    return resolve_model(tiny("embedding-gemma"))


@pytest.fixture(scope="module")
def model(handle: ModelHandle) -> Model:
    return load_model(handle)


def waves(*seconds: float) -> list[FloatArray]:
    noise = np.random.default_rng(3)
    return [noise.normal(0, 0.1, int(s * 16_000)).astype(np.float32) for s in seconds]


@pytest.mark.slow
def test_a_checkpoint_is_a_model(handle: ModelHandle) -> None:
    spec = handle.spec
    assert (spec.one_tower, spec.dims, spec.text.pooling) == (True, (192, 128), "mean")
    assert spec.text.query.replace("{task}", spec.text.task) == "task: search result | query: "
    assert spec.text.document == "title: none | text: "
    assert (handle.speaks, handle.longest_s) == (True, 30.0)
    assert handle.fingerprints.space != handle.fingerprints.encoder


def _library(handle: ModelHandle) -> Any:
    return AutoModel.from_pretrained(handle.folder, dtype=torch.float32).eval()


def _unit(states: torch.Tensor) -> FloatArray:
    found: FloatArray = torch.nn.functional.normalize(states.mean(1), dim=-1).numpy()
    return found


@pytest.mark.slow
@torch.inference_mode()
def test_texts_have_the_vectors_of_the_library(handle: ModelHandle, model: Model) -> None:
    library, tokenizer = _library(handle), AutoTokenizer.from_pretrained(handle.folder)
    for role, prefix in zip(ROLES, ("task: search result | query: ", "title: none | text: "), strict=True):
        ids = tokenizer([prefix + TEXTS[1]], return_tensors="pt")["input_ids"]
        expected = _unit(library(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state)
        np.testing.assert_allclose(model.encode(TEXTS[1:2], role), expected, atol=1e-5)


@pytest.mark.slow
@torch.inference_mode()
def test_speech_has_the_vectors_of_the_library(handle: ModelHandle, model: Model) -> None:
    """Its processor writes: begin of the text, begin of the sound, a soft token every 40 ms, both ends."""
    library, config = _library(handle), _library(handle).config
    (wave,) = waves(1.7)
    made = AutoFeatureExtractor.from_pretrained(handle.folder)([wave], return_tensors="pt")
    count = int(library.get_audio_features(**made).attention_mask.sum())
    assert abs(count - 1.7 * 25) <= 1
    ids = torch.tensor([[1, config.boa_token_id, *[config.audio_token_id] * count, config.eoa_token_index, 2]])
    expected = _unit(library(input_ids=ids, attention_mask=torch.ones_like(ids), **made).last_hidden_state)
    for role in ROLES:
        np.testing.assert_allclose(model.encode([wave], role), expected, atol=1e-5)


@pytest.mark.slow
def test_a_row_does_not_depend_on_its_batch(model: Model) -> None:
    batches: tuple[Batch, ...] = (TEXTS, waves(0.05, 0.3, 2.0, 5.1))
    for batch in batches:
        alone = np.vstack([model.encode(batch[i : i + 1], "document") for i in range(len(batch))])
        together = model.encode(batch[::-1], "document")[::-1]
        assert (alone * together).sum(1).min() > 0.99999
        np.testing.assert_allclose(np.linalg.norm(truncate(together, 128), axis=1), 1, atol=1e-6)


def test_texts_alone_need_no_speech_side(handle: ModelHandle, model: Model) -> None:
    silent = load_model(handle, speech=False)
    assert silent.longest_s is None
    np.testing.assert_array_equal(silent.encode(TEXTS, "query"), model.encode(TEXTS, "query"))


@pytest.mark.slow
def test_bfloat16_is_near(handle: ModelHandle, model: Model) -> None:
    half = load_model(handle, precision="bfloat16")
    batches: tuple[Batch, ...] = (TEXTS, waves(0.7, 1.1))
    for batch in batches:
        cosines = (half.encode(batch, "query") * model.encode(batch, "query")).sum(1)
        assert cosines.min() > 0.98


def test_its_limits_are_refused_before_anything_is_encoded(handle: ModelHandle, model: Model) -> None:
    with pytest.raises(InputError, match=r"31\.0 s is longer than the 30\.0 s"):
        model.encode(waves(31), "document")
    with pytest.raises(SpecError, match=r"segment\.max_s = 40: .* takes at most 30 s of speech"):
        refuse_long_speech(handle, SegmentSpec(max_s=40))
    refuse_long_speech(handle, SegmentSpec(max_s=30))
    with pytest.raises(SpecError, match=r"passage\.max_tokens = 4000"):
        refuse_truncation(handle, PassageSpec(max_tokens=4000))


def test_a_changed_extractor_changes_the_encoder_and_not_the_space(
    handle: ModelHandle, tiny: Tiny, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in Path(tiny("embedding-gemma")).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert resolve_model(str(folder)).fingerprints == handle.fingerprints
    place = folder / "preprocessor_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "mel_floor": 0.01}))
    changed = resolve_model(str(folder)).fingerprints
    assert (changed.space, changed.encoder != handle.fingerprints.encoder) == (handle.fingerprints.space, True)


def test_a_spec_of_it_has_no_trained_part() -> None:
    text, speech = {"name": "a/b", "pooling": "mean"}, {"name": "a/b"}
    values = {"text": text, "speech": speech, "one_tower": True, "dims": [768]}
    assert EncoderSpec.parse(values).one_tower
    wrong: tuple[dict[str, Any], ...] = ({"fusion": {}}, {"transform": True}, {"speech": {"name": "a/c"}})
    for more in wrong:
        with pytest.raises(SpecError, match="one_tower"):
            EncoderSpec.parse({**values, **more})


def test_names_of_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_name("google/embeddinggemma-2")
    assert not any(map(is_hub_name, ("demo", "./model", "/a/b", "a/b/c", "s3://bucket/key")))
    (tmp_path / "build").mkdir()
    assert not is_hub_name("build/model")
