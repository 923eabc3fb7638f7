"""Every text once, with its vectors in both roles, and each clip's places among them."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from embed.encoder import FloatArray, Role
from embed.errors import InputError
from embed.model.joint import JointEncoder
from embed.model.spec import EncoderSpec
from embed.model.weights import assemble
from embed.storage import store
from tests.towers import Tiny, encoder_values
from train.curate.clip import Clip
from train.frozen import targets as module
from train.frozen.targets import (
    TextShard,
    compute_text_shard,
    encode_texts,
    gather_texts,
    plan_text_shards,
    read_vectors,
    targets_of,
)


def clip(key: str, lang: str, **texts: str) -> Clip:
    return Clip("own", key, lang, texts[lang], f"{key}.wav", texts, duration_s=1.0, size=1)


CLIPS = [
    clip("a", "fr", fr="oui", en="yes"),
    clip("b", "fr", fr="Oui !", en="indeed"),  # the same words as a's
    clip("c", "wo", wo="waaw", en="yes"),
    clip("d", "fr", fr="non"),  # nobody translated it
]


def test_equal_words_of_one_language_are_one_text() -> None:
    texts, own = gather_texts(CLIPS, ["en"])
    assert texts == [("fr", "oui"), ("en", "yes"), ("en", "indeed"), ("wo", "waaw"), ("fr", "non")]
    assert own == [{"fr": 0, "en": 1}, {"fr": 0, "en": 2}, {"wo": 3, "en": 1}, {"fr": 4}]


def test_the_same_word_in_two_languages_is_two_texts() -> None:
    texts, own = gather_texts([clip("e", "fr", fr="Radio", en="radio")], ["en", "fr"])
    assert texts == [("fr", "Radio"), ("en", "radio")]
    assert own == [{"fr": 0, "en": 1}]


def test_languages_that_are_not_wanted_are_left_out() -> None:
    texts, own = gather_texts(CLIPS, [])
    assert [lang for lang, _ in texts] == ["fr", "wo", "fr"]
    assert own == [{"fr": 0}, {"fr": 0}, {"wo": 1}, {"fr": 2}]


def test_vectors_are_the_models_in_both_roles(tiny: Tiny) -> None:
    model = assemble(EncoderSpec.parse(encoder_values(tiny, speech=None))).eval()
    texts, own = gather_texts(CLIPS, ["en"])
    targets = targets_of(CLIPS, texts, own, {str(role): found for role, found in encode_texts(model, texts).items()})
    assert targets.langs == ["fr", "en", "en", "wo", "fr"]
    assert targets.spoken == [0, 0, 3, 4]
    for role in ("query", "document"):
        expected = model.encode(["oui", "yes", "indeed", "waaw", "non"], role)
        np.testing.assert_allclose(targets.vectors[role].numpy(), expected, atol=1e-6)
    assert not torch.equal(targets.vectors["query"], targets.vectors["document"])  # the query has its prefix


@pytest.fixture(scope="module")
def model(tiny: Tiny) -> JointEncoder:
    return assemble(EncoderSpec.parse(encoder_values(tiny, speech=None))).eval()


def kept(model: JointEncoder, texts: list[tuple[str, str]], url: str) -> list[TextShard]:
    shards = plan_text_shards(texts, "a space", url)
    for shard in shards:
        compute_text_shard(model, shard)
    return shards


def test_shards_give_back_every_text_in_its_place(
    model: JointEncoder, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEXTS_PER_SHARD", 2)
    texts, _ = gather_texts(CLIPS, ["en"])
    shards = kept(model, texts, storage_url)
    assert [shard.rows for shard in shards] == [(1, 2), (0, 4), (3,)]  # en, fr, wo
    found, whole = read_vectors(shards), encode_texts(model, texts)
    for role in ("query", "document"):
        torch.testing.assert_close(found[role], whole[role])


def test_another_language_leaves_what_stands(
    model: JointEncoder, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _ = gather_texts(CLIPS, [])
    first = kept(model, own, storage_url)
    texts, _ = gather_texts(CLIPS, ["en"])
    encoded: list[str] = []
    encode = model.encode

    def counted(batch: Sequence[str], role: Role) -> FloatArray:
        encoded.extend(batch)
        return encode(batch, role)

    monkeypatch.setattr(model, "encode", counted)
    both = kept(model, texts, storage_url)
    assert encoded == ["yes", "indeed"] * 2  # in two roles
    assert {shard.url for shard in first} < {shard.url for shard in both}
    assert {shard.url for shard in plan_text_shards(texts, "another", storage_url)}.isdisjoint(
        shard.url for shard in both
    )


def test_a_damaged_shard_is_named(model: JointEncoder, storage_url: str) -> None:
    (shard, *_) = shards = kept(model, gather_texts(CLIPS, [])[0], storage_url)
    store.write_bytes(shard.url, b"not vectors")
    with pytest.raises(InputError, match=re.escape(shard.url)):
        read_vectors(shards)


def test_prefixes_are_unit_at_every_width() -> None:
    vectors = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.6, 0.8]])
    targets = targets_of(CLIPS[3:], [("fr", "non")], [{"fr": 0}], {"query": vectors, "document": -vectors})
    prefixes = targets.prefixes("document", (3, 2))
    torch.testing.assert_close(prefixes[3], -vectors)
    torch.testing.assert_close(prefixes[2], torch.tensor([[-0.6, -0.8], [0.0, -1.0]]))
