from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from train.curate.clip import Clip, read_clip, words
from train.curate.sources.asterisk import captions, clips, packages

pytestmark = pytest.mark.data
Obtain = Callable[[Callable[[Path], list[Clip]]], list[Clip]]


def test_the_prompts_of_both_languages_are_found(obtain: Obtain) -> None:
    found = obtain(clips)
    counts = Counter(clip.lang for clip in found)
    assert counts["fr"] > 290
    assert counts["en"] > 290
    assert len({(clip.key, clip.lang) for clip in found}) == len(found)
    assert all(len(words(clip.text)) >= 2 for clip in found)
    assert all(clip.translations[clip.lang] == clip.text for clip in found)


def test_a_prompt_is_the_same_in_both_languages(obtain: Obtain) -> None:
    french = {clip.key: clip for clip in obtain(clips) if clip.lang == "fr"}["ast:auth-incorrect"]
    assert french.text == "Échec à l'ouverture de session. Composez votre mot de passe suivi du dièse."
    assert french.translations["en"].startswith("Password incorrect.")
    assert Path(french.uri).name == "auth-incorrect.g722"


def test_noises_are_left_out(obtain: Obtain) -> None:
    keys = {clip.key for clip in obtain(clips)}
    assert not keys & {"ast:silence/5", "ast:beep", "ast:confbridge-join", "ast:tt-monkeys"}


def test_asking_for_one_language_keeps_the_translations(obtain: Obtain) -> None:
    alone = obtain(lambda cache: clips(cache, ["en"]))
    assert alone == [clip for clip in obtain(clips) if clip.lang == "en"]


def test_a_third_language_brings_its_texts_when_asked_for(obtain: Obtain) -> None:
    spanish = {clip.key: clip for clip in obtain(lambda cache: clips(cache, ["es"]))}["ast:auth-incorrect"]
    assert set(spanish.translations) == {"es", "en", "fr"}
    french = obtain(lambda cache: clips(cache, ["fr"], ["es", "wo"]))
    assert {clip.key: clip for clip in french}["ast:auth-incorrect"].translations["es"] == spanish.text
    assert captions_of(obtain, ["es", "wo"])["auth-incorrect"] == {"es": spanish.text}


def captions_of(obtain: Obtain, langs: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    obtain(lambda cache: found.update(captions(cache, langs)) or [])
    return found


def test_packages_are_of_the_languages() -> None:
    assert packages(["fr", "wo"]) == ("asterisk-core-sounds-fr", "asterisk-core-sounds-fr-g722")


def test_a_prompt_is_audible(obtain: Obtain) -> None:
    wave = read_clip(obtain(clips)[0])
    assert 0.3 * 16_000 <= len(wave) <= 12 * 16_000
    assert np.sqrt(np.mean(wave**2)) > 0.01
