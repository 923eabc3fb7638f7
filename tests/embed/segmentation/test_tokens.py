import pickle
from pathlib import Path

import pytest

from embed.errors import SpecError
from embed.model.handle import resolve_model
from embed.segmentation.passages import SLACK_TOKENS, PassageSpec, spans
from embed.segmentation.tokens import TowerWords, words_of
from tests.towers import Tiny, encoder_values, model_in

TEXT = (
    "L’émission du matin a été diffusée à Dakar, en wolof et en français ; elle dure deux heures. "
    "Nanga def? Maa ngi fi rekk. ما هو الوقت؟ الساعة السادسة. 今日は雨が降っています。明日も雨でしょう。 "
    "The price of rice (per kilo) went up by 12.5% again!! "
)


def test_the_towers_own_tokens_with_their_places(tiny: Tiny, tmp_path: Path) -> None:
    words = words_of(resolve_model(model_in(tmp_path / "model", encoder_values(tiny))).spec.text.name)
    assert words.offsets("Été b") == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    again = pickle.loads(pickle.dumps(words))  # noqa: S301 - our own
    assert again == words
    assert again.offsets("ab") == [(0, 1), (1, 2)]


def test_another_tokenizer_under_the_same_name_is_refused(tiny: Tiny) -> None:
    with pytest.raises(SpecError, match="not the one that this job began with"):
        TowerWords(tiny("bert"), "0" * 32).offsets("a")


def test_a_tower_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="tokenizer"):
        TowerWords(str(tmp_path), "x").offsets("a")


@pytest.mark.data
def test_real_passages_by_themselves_are_hardly_longer_than_they_were_counted() -> None:
    words = words_of(resolve_model("demo").spec.text.name)
    text = TEXT * 40 + "sansespace" * 400 + "😀" * 300 + "\u0301" * 50
    spec = PassageSpec(max_tokens=64, overlap_tokens=16)
    found = spans(text, spec, words)
    lengths = [len(words.offsets(text[start:end])) for start, end in found]
    assert 56 <= sorted(lengths)[len(lengths) // 2] <= 64 + 2
    assert max(lengths) <= spec.max_tokens + SLACK_TOKENS
