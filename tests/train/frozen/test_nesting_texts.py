"""What the transform is learned from: translations in groups, no source ruling the others."""

from pathlib import Path

import pytest

from train.curate.clip import Clip
from train.frozen import nesting_texts as module
from train.frozen.nesting_texts import nesting_texts


def clip(key: str, lang: str, **texts: str) -> Clip:
    return Clip(key.partition(":")[0], key, lang, texts[lang], f"{key}.wav", texts, duration_s=1.0, size=1)


CLIPS = [
    clip("tux:sun", "fr", fr="Le soleil.", en="The sun.", wo="jant bi"),
    clip("tux:sun", "en", fr="Le soleil.", en="The sun.", wo="jant bi"),
    clip("ast:ok", "en", fr="OK", en="ok"),
    clip("ast:yes", "fr", fr="oui", en="yes"),
]


def test_translations_stand_together_and_equal_texts_once(tmp_path: Path) -> None:
    found = nesting_texts(CLIPS, ["en", "fr"], False, tmp_path, 0)
    assert {tuple(found.texts[i] for i in group) for group in found.groups} == {
        ("oui", "yes"),
        ("Le soleil.", "The sun."),
    }
    assert len(set(found.texts)) == len(found.texts) == 5  # "ok" is the same in both languages
    assert found.running == ()


def test_every_source_gives_as_many_prompts_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROMPTS_PER_SOURCE", 2)
    many = [clip(f"tux:{i}", "en", en=f"number {i}", fr=f"chiffre {i}") for i in range(9)]
    found = nesting_texts([*many, *CLIPS[2:]], ["en", "fr"], False, tmp_path, 0)
    assert len([text for text in found.texts if text.startswith("number")]) == 2
    assert "yes" in found.texts
