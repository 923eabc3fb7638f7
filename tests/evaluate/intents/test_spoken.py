"""Requests spoken by two voices, with an engine of this test in place of the installable ones."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from embed.errors import DataUnavailable, InputError
from evaluate.intents import spoken as module
from evaluate.intents.requests import Chosen, Request
from evaluate.intents.spec import IntentSpec
from evaluate.intents.spoken import spoken
from train.curate.synthesis.utterance import Utterance

REQUESTS = tuple(Request(label, "fr", f"{label} {number}") for label in "ab" for number in range(2))
SPOKEN = IntentSpec(data="home-assistant", train_lang="fr", modality="speech")


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Texts whose files stay empty: the engine has no sound for them."""
    silent: set[str] = set()

    def speak(work: Mapping[Path, Utterance], folder: Path, load: object) -> None:
        for path, utterance in work.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("" if utterance.text in silent else utterance.voice)

    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "speak", speak)
    monkeypatch.setattr(module, "installed_engines", lambda cache, needed, spoken: (dict.fromkeys(needed, "1"), {}))
    return silent


def test_no_voice_is_on_both_sides(said: set[str]) -> None:
    found = spoken(Chosen(("a", "b"), REQUESTS, REQUESTS), SPOKEN)
    assert ({one.voice for one in found.pool}, {one.voice for one in found.test}) == ({"fr-FR"}, {"ff_siwis"})
    assert Path(found.pool[0].audio).read_text() == "fr-FR"
    assert "examples fr-FR; test ff_siwis" in found.notes[0]
    same = spoken(Chosen(("a", "b"), REQUESTS, REQUESTS), SPOKEN.model_copy(update={"voices": "any"}))
    assert {one.voice for one in same.test} == {"fr-FR"}
    typed = spoken(Chosen(("a", "b"), REQUESTS, REQUESTS), SPOKEN.model_copy(update={"train_modality": "text"}))
    assert (typed.pool, {one.voice for one in typed.test}) == (REQUESTS, {"ff_siwis"})


def test_what_has_no_sound_is_left_out_and_a_label_without_any_is_an_error(said: set[str]) -> None:
    said.add("a 0")
    assert len(spoken(Chosen(("a", "b"), REQUESTS, REQUESTS), SPOKEN).pool) == 3


def test_a_silent_label_or_language_is_named(said: set[str]) -> None:
    said.update({"a 0", "a 1"})
    with pytest.raises(DataUnavailable, match="no usable sound of a; install the voices again"):
        spoken(Chosen(("a", "b"), REQUESTS, REQUESTS), SPOKEN)
    with pytest.raises(InputError, match="list, row 3: no voice speaks wo; set `modality: text`"):
        spoken(Chosen(("a",), (Request("a", "wo", "x", place="list, row 3"),), ()), SPOKEN)
