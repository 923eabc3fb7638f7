"""Kept, whole, once: with speakers that need no engine."""

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.errors import DataUnavailable, WorkLeftUndone
from tests.train.curate.synthesis.tones import Killed, Missing, Tone
from train.curate.synthesis.speak import PAD_S, PEAK, file_of, speak, trim
from train.curate.synthesis.utterance import Utterance


def work(folder: Path, *texts: str) -> dict[Path, Utterance]:
    said = [Utterance(text, "fr", "pico", "fr-FR") for text in texts]
    return {file_of(one, "tone 1", folder): one for one in said}


@pytest.mark.slow
def test_what_is_spoken_once_is_kept_and_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    todo = work(tmp_path, *(f"a text of number {i}" for i in range(20)), "...")
    # Several at once: one speaks, the others wait and find it done.
    callers = [
        threading.Thread(target=speak, args=(todo, tmp_path, {"pico": Tone}, lambda *said: told.append(said), 2))
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (told[0], told[-1], len(told)) == ((0, 21), (21, 21), 3)
    speak(todo, tmp_path, {"pico": Missing})  # Nothing is left, so nothing is loaded.
    *waves, nothing = todo
    assert nothing.stat().st_size == 0
    assert not list(tmp_path.rglob(".draft-*"))
    samples, rate = soundfile.read(waves[0])
    assert rate == SAMPLE_RATE
    assert len(samples) == pytest.approx((len("a text of number 0") / 10 + 2 * PAD_S) * rate, abs=2)


@pytest.mark.slow
def test_a_process_that_is_killed_loses_only_its_own(tmp_path: Path) -> None:
    todo = work(tmp_path, *(f"a text of number {i}" for i in range(16)), "die")
    with pytest.raises(WorkLeftUndone, match=r"was killed.*run the command again to continue"):
        speak(todo, tmp_path, {"pico": Killed}, processes=1)
    kept = {path: path.stat().st_mtime_ns for path in todo if path.is_file()}
    assert len(kept) == 16
    speak(todo, tmp_path, {"pico": Tone}, processes=1)
    assert all(path.is_file() for path in todo)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.slow
def test_an_engine_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="pip install tone"):
        speak(work(tmp_path, "a"), tmp_path, {"pico": Missing})


def test_a_file_is_named_by_all_that_is_heard(tmp_path: Path) -> None:
    one = Utterance("a", "fr", "pico", "fr-FR")
    others = [
        file_of(Utterance("a", "fr", "pico", "fr-FR", 1.1), "tone 1", tmp_path),
        file_of(Utterance("a", "fr", "pico", "fr-FR", 1.0, 1.1), "tone 1", tmp_path),
        file_of(one, "tone 2", tmp_path),
        file_of(one, "tone 1", tmp_path),
    ]
    assert len(set(others)) == 4
    assert file_of(one, "tone 1", tmp_path) == others[-1]


def test_a_wave_is_cut_to_what_is_heard() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    wave = trim(np.pad(tone, SAMPLE_RATE))
    assert wave is not None
    assert len(wave) / SAMPLE_RATE == pytest.approx(1 + 0.04 + 2 * PAD_S, abs=0.001)
    assert np.abs(wave).max() == pytest.approx(PEAK)
    assert trim(np.zeros(SAMPLE_RATE, np.float32)) is None
    assert trim(np.zeros(0, np.float32)) is None
    assert trim(np.full(SAMPLE_RATE, np.nan, np.float32)) is None
    assert trim(tone[:800]) is None  # a click
    assert trim(np.tile(tone, 13)) is None
