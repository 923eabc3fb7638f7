"""The Encoder contract: a row does not depend on its batch, and every declared prefix is a vector of its own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from embed.encoder import FloatArray, truncate
from embed.errors import InputError, SpecError
from embed.model.joint import JointEncoder
from embed.model.spec import EncoderSpec
from embed.model.weights import assemble

TEXTS = ["a", "the radio says: rain", "ou est le marché?", "no", "a longer sentence about the price of rice in town."]
TOWERS = [
    pytest.param("qwen3", "last", id="causal-last"),
    pytest.param("bert", "mean", id="bidirectional-mean"),
    pytest.param("bert", "cls", id="bidirectional-cls"),
    pytest.param("bert", "last", id="bidirectional-last"),
]
SPEECH = ["hubert", "whisper", "wav2vec2", "wavlm", "w2v-bert"]
# Each text tower, way of pooling and role with the next; each speech tower with the next text tower: what one does
# inside does not depend on the other.
TEXTS_IN_ROLES = [
    pytest.param(*tower.values, role, id=f"{role}-{tower.id}")
    for tower, role in zip(TOWERS, ["query", "document", "query", "document"], strict=True)
]
SPEECH_AND_TEXT = [
    pytest.param(speech, *tower.values, id=f"{speech}-{tower.id}")
    for speech, tower in zip(SPEECH, [*TOWERS, TOWERS[0]], strict=True)
]


def spec_of(tiny: Callable[[str], str], text: str, pooling: str, speech: str | None, **fusion: object) -> EncoderSpec:
    values: dict[str, object] = {
        "text": {
            "name": tiny(text),
            "pooling": pooling,
            "query": "{task} query: ",
            "document": "doc: ",
            "task": "find",
        },
        "dims": [32, 16, 8],
    }
    if speech is not None:
        values |= {"speech": {"name": tiny(speech)}, "fusion": {"width": 24, **fusion}}
    return EncoderSpec.parse(values)


def made(spec: EncoderSpec) -> JointEncoder:
    torch.manual_seed(1)
    return assemble(spec).eval()


def waves(*seconds: float) -> list[FloatArray]:
    noise = np.random.default_rng(3)
    return [noise.normal(0, 0.1, int(s * 16_000)).astype(np.float32) for s in seconds]


def cosines(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray((a * b).sum(1), dtype=np.float32)


@pytest.mark.parametrize(("text", "pooling", "role"), TEXTS_IN_ROLES)
def test_a_text_does_not_depend_on_its_batch(tiny: Callable[[str], str], text: str, pooling: str, role: str) -> None:
    model = made(spec_of(tiny, text, pooling, None))
    together = model.encode(TEXTS, role)  # type: ignore[arg-type]
    alone = np.concatenate([model.encode([one], role) for one in TEXTS])  # type: ignore[arg-type]
    backwards = model.encode(TEXTS[::-1], role)[::-1]  # type: ignore[arg-type]
    assert cosines(together, alone).min() >= 0.9999
    assert cosines(backwards, alone).min() >= 0.9999
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("speech", "text", "pooling"), SPEECH_AND_TEXT)
def test_a_wave_does_not_depend_on_its_batch(tiny: Callable[[str], str], text: str, pooling: str, speech: str) -> None:
    spec = spec_of(tiny, text, pooling, speech, strides=[2, 2], activation=True, output_norm=True, frame_pool=2)
    model = made(spec)
    # Odd lengths, so that pooling and every stride meet an incomplete last group.
    clips = waves(0.31, 2.0, 1.237, 0.9, 0.05)
    together = model.encode(clips, "document")
    alone = np.concatenate([model.encode([one], "document") for one in clips])
    backwards = model.encode(clips[::-1], "document")[::-1]
    assert cosines(together, alone).min() >= 0.9999
    assert cosines(backwards, alone).min() >= 0.9999
    # Rows differ from each other by far more than that: equal rows would pass all of the above.
    assert np.abs(together - alone).max() < np.abs(together[0] - together[1]).max() / 100


@pytest.mark.slow
@pytest.mark.parametrize("speech", SPEECH)
def test_roles_and_tasks_change_the_vector(tiny: Callable[[str], str], speech: str) -> None:
    model = made(spec_of(tiny, "qwen3", "last", speech))
    clip = waves(1.0)
    as_query, as_document = model.encode(clip, "query"), model.encode(clip, "document")
    asked = model.encode(clip, "query", task="sort")
    assert cosines(as_query, as_document)[0] < 0.99999
    assert cosines(as_query, asked)[0] < 0.99999


def test_the_paper_configuration_has_no_more_weights_than_the_paper(tiny: Callable[[str], str]) -> None:
    """Linear without bias, one convolution of kernel and stride 2: 96*24 + 24*32*2 + 32 here."""
    model = made(spec_of(tiny, "qwen3", "last", "hubert"))
    assert model.fusion is not None
    assert sum(p.numel() for p in model.fusion.parameters()) == 96 * 24 + 24 * 32 * 2 + 32


def test_every_declared_prefix_is_a_unit_vector(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "qwen3", "last", "hubert"))
    vectors = model.encode(waves(0.5, 0.7), "query")
    for dim in model.dims:
        assert np.linalg.norm(truncate(vectors, dim), axis=1) == pytest.approx(1, abs=1e-5)


def test_a_long_text_is_cut_and_keeps_its_end_token(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "qwen3", "last", None))
    ids = model.text.tokens(["a" * 2000], "document")[0]
    assert len(ids) == model.text.spec.max_tokens
    assert ids[-1] == model.text.tokenizer.pad_token_id


def test_only_the_fusion_learns(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "qwen3", "last", "hubert")).train()
    learning = {name.split(".")[0] for name, value in model.named_parameters() if value.requires_grad}
    assert learning == {"fusion"}
    assert not model.text.training
    assert model.speech is not None
    assert not any(m.training for m in model.speech.modules())


def test_unfit_waves_and_wrong_widths_are_named(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "qwen3", "last", "whisper"))
    with pytest.raises(InputError, match=r"31\.0 s is longer"):
        model.encode(waves(31.0), "document")
    with pytest.raises(InputError, match="at least"):
        model.encode([np.zeros(1, dtype=np.float32)], "document")
    with pytest.raises(SpecError, match="width 32"):
        made(spec_of(tiny, "qwen3", "last", None).model_copy(update={"dims": (64, 32)}))
    with pytest.raises(SpecError, match="text alone"):
        made(spec_of(tiny, "qwen3", "last", None)).encode(waves(0.5), "query")


class Cramped(torch.nn.Module):
    """A tower that runs out of memory above so many padded positions."""

    def __init__(self, inner: torch.nn.Module, room: int) -> None:
        super().__init__()
        self.inner, self.room = inner, room

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)

    def forward(self, **inputs: torch.Tensor) -> object:
        if inputs["attention_mask"].numel() > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(**inputs)


@pytest.mark.slow
def test_out_of_memory_is_survived_and_counted(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "bert", "mean", "whisper"))
    clips = waves(*[0.5] * 12)
    expected = model.encode(TEXTS * 10, "document"), model.encode(clips, "document")
    model.text.model = Cramped(model.text.model, 200)
    texts, speech = model.encode(TEXTS * 10, "document"), model.encode(clips, "document")
    assert cosines(texts, expected[0]).min() >= 0.9999
    assert cosines(speech, expected[1]).min() >= 0.9999
    assert model.tokens_at_once.size < 1024
    assert model.budget_halvings == model.tokens_at_once.halvings + model.samples_at_once.halvings > 1
    model.text.model.room = 1
    with pytest.raises(torch.OutOfMemoryError):
        model.encode(TEXTS, "document")


def test_all_texts_are_tokenised_as_each_alone(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "qwen3", "last", None))
    together = model.text.tokens([*TEXTS, ""], "query", "sort")
    assert together == [model.text.tokens([one], "query", "sort")[0] for one in [*TEXTS, ""]]
    assert model.text.tokens([], "query") == []


@pytest.mark.slow
def test_speech_is_the_mean_of_the_members_vectors(tiny: Callable[[str], str]) -> None:
    model = made(spec_of(tiny, "bert", "mean", "whisper", members=3))
    heard = waves(0.4, 0.9)
    first, *others = model.fusions
    assert len(others) == 2
    alone = []
    for fusion in (first, *others):
        one = made(spec_of(tiny, "bert", "mean", "whisper"))
        assert one.fusion is not None
        one.fusion.load_state_dict(fusion.state_dict())
        alone.append(one.encode(heard, "document"))
    mean = np.mean(alone, axis=0)
    joined = model.encode(heard, "document")
    np.testing.assert_allclose(joined, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    assert cosines(joined, alone[0]).max() < 0.9999


def test_members_go_with_frozen_towers(tiny: Callable[[str], str]) -> None:
    values = spec_of(tiny, "bert", "mean", "whisper", members=2).model_dump()
    with pytest.raises(SpecError, match="members needs frozen towers"):
        EncoderSpec.parse({**values, "adapt": {"unfreeze": 1}})
