import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from train.curate.dropped import Dropped
from train.curate.sources.vocabulary import HELD_OUT, LANGS, core, vocabulary

TEXTS = {
    "id:option/a": {"en": "Both", "fr": "Les deux"},
    "cldr:1": {"en": "frog", "fr": "grenouille"},
    "cldr:2": {"en": "red apple", "fr": "pomme\u202frouge"},
    "cldr:3": {"en": "Red  apple!", "fr": "Pomme rouge"},  # as above
    "cldr:4": {"en": "7", "fr": "sept"},
    "tux:own": {"en": "A cat.", "fr": "Un chat."},
    "tux:test": {"en": "Not seen elsewhere.", "fr": "Vu nulle part ailleurs."},
}


def read(cache: Path, langs: Sequence[str]) -> dict[str, dict[str, str]]:
    assert {"fr", "en", "wo"} <= {*langs}
    return TEXTS


def test_no_item_says_what_is_held_out_in_any_language(tmp_path: Path) -> None:
    held = {("fr", "grenouille"), ("en", "les deux"), ("wo", "sept")}  # "Les deux" is no English.
    found = vocabulary(tmp_path, ["wo"], held, {"tux:test"}, read)
    assert {*found.dropped} == {Dropped("cldr:1", HELD_OUT), Dropped("tux:test", HELD_OUT)}
    keys = [entry.key for entry in found.entries]
    assert keys[0] == "tux:own"  # the plainest first
    assert keys[-1] == "id:option/a"
    assert len({"cldr:2", "cldr:3"} & {*keys}) == 1
    assert {entry.key: entry.texts for entry in found.entries}["cldr:4"] == {"fr": "sept"}


def test_leading_articles_and_punctuation_do_not_tell_texts_apart(tmp_path: Path) -> None:
    assert core("fr", "L’été !") == core("fr", "Un été") == "été"
    assert core("en", "The frog.") == core("en", "a FROG") == "frog"
    assert core("el", "Η γάτα") == core("el", "γάτα")
    assert core("fr", "the frog") == "the frog"
    assert core("en", "a") == "a"  # a letter, not an article
    dropped = vocabulary(tmp_path, ["wo"], {("en", core("en", "The frog."))}, (), read).dropped
    assert [one.name for one in dropped] == ["cldr:1"]


def test_texts_that_cannot_be_had_are_left_out_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "debian/tuxpaint-stamps-default_1/usr/share/tuxpaint/stamps/animals"
    folder.mkdir(parents=True)
    (folder / "frog.txt").write_text("A frog.\nfr.utf8=Une grenouille.\n", encoding="utf-8")
    monkeypatch.setenv("PATH", "")
    with caplog.at_level(logging.WARNING):
        found = vocabulary(tmp_path, (), set())
    assert [entry.key for entry in found.entries] == ["tux:animals/frog"]
    assert "synthetic speech without CLDR's names of emoji: " in caplog.text
    assert "synthetic speech without names of iD's tagging schema: npm package" in caplog.text
    assert "npm is missing" in caplog.text
    assert len(LANGS) == len(set(LANGS))
