"""Every text once, with its vectors in both roles, and each clip's places among them."""

from pathlib import Path

import numpy as np
import torch

from embed.model.directory import assemble
from embed.model.spec import EncoderSpec
from tests.towers import Tiny, encoder_values
from train.curate.sources.clips import Clip
from train.targets import encode_texts, gather_texts, targets_of


def clip(key: str, lang: str, **texts: str) -> Clip:
    return Clip("own", key, lang, texts[lang], Path(f"{key}.wav"), texts)


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


def test_prefixes_are_unit_at_every_width() -> None:
    vectors = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.6, 0.8]])
    targets = targets_of(CLIPS[3:], [("fr", "non")], [{"fr": 0}], {"query": vectors, "document": -vectors})
    prefixes = targets.prefixes("document", (3, 2))
    torch.testing.assert_close(prefixes[3], -vectors)
    torch.testing.assert_close(prefixes[2], torch.tensor([[-0.6, -0.8], [0.0, -1.0]]))
