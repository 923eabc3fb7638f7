import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.curate.clip import Clip, words
from train.curate.sources import asterisk
from train.curate.split import Part, groups, part_of, split, split_with_known


def clip(key: str, text: str, lang: str = "en", source: str = "s", **translations: str) -> Clip:
    return Clip(source, key, lang, text, f"{key}.wav", {lang: text, **translations})


# Few keys and few texts, so that chains of joined keys are common.
texts = st.sampled_from(["one", "Two", "two!", "THREE", "four", "Five", "", "…"])
clips_of = st.lists(
    st.builds(
        lambda number, lang, text, other: clip(f"s:{number}", text, lang, fr=other),
        st.integers(0, 30),
        st.sampled_from(["en", "es"]),
        texts,
        texts,
    ),
    max_size=25,
)


@pytest.mark.slow
@settings(deadline=None)  # The machine may be busy.
@given(clips_of, st.randoms(use_true_random=False))
def test_no_key_and_no_text_is_in_two_parts_and_order_does_not_matter(clips: list[Clip], random: Random) -> None:
    parts = split(clips)
    assert sorted(map(repr, clips)) == sorted(repr(one) for part in parts.values() for one in part)
    home: dict[object, str] = {}
    for part, members in parts.items():
        for member in members:
            spoken = {tuple(words(text)) for text in (member.text, *member.translations.values())} - {()}
            for name in (member.key, *spoken):
                assert home.setdefault(name, part) == part
    shuffled = list(clips)
    random.shuffle(shuffled)
    assert groups(shuffled) == groups(clips)


def test_keys_are_joined_by_text_in_any_language_along_chains() -> None:
    chain = [clip("s:c", "Hello.", fr="Salut"), clip("s:b", "hello!"), clip("s:a", "Hi", fr="salut"), clip("s:d", "No")]
    assert groups(chain) == {"s:a": "s:a", "s:b": "s:a", "s:c": "s:a", "s:d": "s:d"}


def test_equal_texts_of_two_sources_are_not_joined() -> None:
    assert groups([clip("s:a", "Hello"), clip("t:a", "Hello", source="t")]) == {"s:a": "s:a", "t:a": "t:a"}


def test_texts_without_words_join_nothing() -> None:
    assert groups([clip("s:a", "..."), clip("s:b", "!")]) == {"s:a": "s:a", "s:b": "s:b"}


def test_the_part_is_the_md5_of_the_smallest_key_modulo_eight() -> None:
    for number in range(64):
        share = int(hashlib.md5(f"k{number}".encode()).hexdigest(), 16) % 8
        assert part_of(f"k{number}") == {0: "test", 4: "test", 1: "dev"}.get(share, "train")


def test_what_comes_later_follows_what_is_known_and_moves_nothing() -> None:
    known: dict[Part, list[Clip]] = {
        "train": [clip("s:m", "Bread", fr="Pain")],
        "test": [clip("s:n", "Water", fr="Eau")],
    }
    others = [
        clip("s:m", "Хлеб", "ru"),
        clip("s:a", "bread!"),
        clip("s:b", "Agua", "es", fr="Eau"),
        clip("s:c", "agua", "es"),  # joined to test along a chain
        clip("s:d", "Bread", fr="eau"),  # of both
        clip("t:a", "Water", source="t"),
        clip("s:z", "New"),
    ]
    parts, torn = split_with_known(known, others)
    homes = {one.key: part for part, members in parts.items() for one in members}
    assert homes == {
        "s:m": "train",
        "s:a": "train",
        "s:b": "test",
        "s:c": "test",
        "t:a": part_of("t:a"),
        "s:z": part_of("s:z"),
    }
    assert [one.key for one in torn] == ["s:d"]


@pytest.mark.data
def test_the_recorded_prompts_split_as_measured(obtain: Callable[[Callable[[Path], list[Clip]]], list[Clip]]) -> None:
    parts = split(obtain(asterisk.clips))
    assert {part: len(members) for part, members in parts.items()} == {"train": 341, "dev": 105, "test": 150}
    assert sum(one.lang == "fr" for one in parts["test"]) == 75
