from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.errors import SpecError
from embed.segmentation.passages import TITLE_TOKENS, PassageSpec, shortened, spans
from tests.embed.sounds import LETTERS

SHORT = PassageSpec(max_tokens=50, overlap_tokens=0)  # a token a letter


def texts(text: str, spec: PassageSpec = SHORT) -> list[str]:
    return [text[start:end] for start, end in spans(text, spec, LETTERS)]


def test_sentences_are_packed_up_to_the_size() -> None:
    text = "One is here. Two is there! Is three? Four ends it."
    assert texts(text) == [text]
    text = "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc cccc cccc cccc cccc. Dd."
    assert texts(text) == [
        "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb.",
        "Cccc cccc cccc cccc cccc. Dd.",
    ]


def test_overlap_repeats_whole_sentences() -> None:
    text = "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc cccc. Dd."
    assert texts(text, PassageSpec(max_tokens=50, overlap_tokens=21)) == [
        "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb.",
        "Bbbb bbbb bbbb bbbb. Cccc cccc. Dd.",
    ]
    with pytest.raises(SpecError, match="overlap_tokens 26 is over half of max_tokens 50"):
        PassageSpec.parse({"max_tokens": 50, "overlap_tokens": 26})


def test_a_sentence_that_is_too_long_is_cut_at_a_word_or_where_it_must() -> None:
    assert texts("word " * 30) == [("word " * 10).strip()] * 3
    assert texts("x" * 120) == ["x" * 50, "x" * 50, "x" * 20]
    assert texts("今日は。" * 20) == ["今日は。" * 12, "今日は。" * 8]


def test_white_space_of_any_kind_is_no_passage() -> None:
    assert texts(" \n\u2003\u00a0\ufeff") == []
    assert texts("\ufeffa\u2003") == ["a"]


def test_a_title_is_shortened_at_a_word() -> None:
    assert shortened("  A \n title ", LETTERS) == "A title"
    assert shortened("word " * 30, LETTERS) == ("word " * 13).strip()
    assert len(shortened("x" * 1_000_000, LETTERS)) == TITLE_TOKENS
    assert shortened("", LETTERS) == ""


@pytest.mark.slow
def test_a_long_document_is_counted_in_parts() -> None:
    text = "A sentence of words. " * 20_000 + "x" * 200_000
    found = spans(text, SHORT, LETTERS)
    assert [text[a:b] for a, b in found[:10_000]] == ["A sentence of words. A sentence of words."] * 10_000
    assert {b - a for a, b in found[10_000:]} == {50, 36, 42}  # each part ends with what is left of it
    assert "".join(text[a:b] for a, b in found[10_000:]) == "x" * 200_000


WORDS = st.sampled_from(["a", "mot", "Fin.", "Quoi ?", "今日は。", "\n", "  ", "y" * 40, "ñ" * 130, "\u2003", "!"])


@pytest.mark.slow
@pytest.mark.fuzz
@settings(max_examples=200, deadline=None, derandomize=True)
@given(words=st.lists(WORDS, max_size=60), most=st.integers(16, 80), overlap=st.integers(0, 40))
def test_nothing_is_lost_and_sizes_hold(words: list[str], most: int, overlap: int) -> None:
    text = " ".join(words)
    spec = PassageSpec(max_tokens=most, overlap_tokens=min(overlap, most // 2))
    found = spans(text, spec, LETTERS)
    held = set()
    for start, end in found:
        assert 0 < end - start <= most
        assert text[start:end] == text[start:end].strip()
        held |= set(range(start, end))
    assert {at for at, char in enumerate(text) if not char.isspace()} <= held
    for (first, stop), (start, end) in pairwise(found):
        assert first < start
        assert stop < end
        assert stop - start <= spec.overlap_tokens
