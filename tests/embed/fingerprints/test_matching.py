"""Repeats of a tune and of speech between other sound, changed as broadcasts change it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.fingerprints.hits import Table
from embed.fingerprints.landmarks import ERROR, landmarks, rarest
from embed.fingerprints.matching import Printed, Reference, windows
from embed.fingerprints.peaks import FRAMES_PER_S, peaks_of
from embed.fingerprints.spans import Span, spans
from tests.embed.fingerprints.sounds import talk, tune

TUNE, WORDS = tune(5, 4.0), talk(6, 4.0)
FIRST = np.concatenate([talk(1, 3), TUNE, talk(2, 4), WORDS, talk(3, 3)])  # the tune at 3 s, the words at 11 s


def printed(sound: FloatArray, name: bytes) -> Printed:
    return Printed(name, peaks_of(sound))


REFERENCE = Reference([printed(talk(9, 20), b"other"), printed(FIRST, b"first")])


def repeats_in(sound: FloatArray) -> list[Span]:
    return spans(windows(printed(sound, b"later"), REFERENCE), 99)


CHANGES: dict[str, Callable[[FloatArray], Any]] = {
    "as it was": lambda sound: sound,
    "a part of a frame later": lambda sound: np.pad(sound, (133, 0)),
    "louder and clipped": lambda sound: np.clip(4 * sound, -1, 1),
    "quiet": lambda sound: 0.05 * sound,
    "at 8 kHz": lambda sound: soxr.resample(soxr.resample(sound, 16_000, 8_000), 8_000, 16_000),
    "2 % faster": lambda sound: soxr.resample(sound, 16_320, 16_000),
    "2 % slower": lambda sound: soxr.resample(sound, 15_680, 16_000),
    "its middle 3 s": lambda sound: sound[SAMPLE_RATE // 2 : -SAMPLE_RATE // 2],
    "with noise 10 dB below it": lambda sound: sound + 0.03 * np.random.default_rng(0).standard_normal(len(sound)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("sound", "at_s"), [(TUNE, 3.0), (WORDS, 11.0)], ids=["tune", "words"])
def test_a_changed_repeat_is_found_with_its_place(change: str, sound: FloatArray, at_s: float) -> None:
    again = CHANGES[change](sound).astype(np.float32)
    (found,) = repeats_in(np.concatenate([talk(20, 2.3), again, talk(21, 2)]))
    assert found.unit == 1
    first_s, last_s = found.first / FRAMES_PER_S, found.last / FRAMES_PER_S
    assert 2.0 <= first_s < last_s <= 2.3 + len(again) / SAMPLE_RATE + 0.3
    assert last_s - first_s > len(again) / SAMPLE_RATE / 2
    inside_s = first_s - 2.3 + (0.5 if "middle" in change else 0.0)
    assert found.frame / FRAMES_PER_S == pytest.approx(at_s + inside_s, abs=0.15)


def test_other_sound_of_the_same_kind_repeats_nothing() -> None:
    assert repeats_in(np.concatenate([talk(30, 20), *(tune(seed, 4.0) for seed in range(40, 50))])) == []


def test_a_steady_tone_and_silence_repeat_nothing() -> None:
    tone = (0.2 * np.sin(2 * np.pi * 440 * np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    for sound in (tone, np.zeros_like(tone)):
        assert windows(printed(sound, b"later"), Reference([printed(sound, b"first")])) == []


def test_what_repeats_is_no_reference_and_a_recording_repeats_only_its_past() -> None:
    reference = Reference([printed(FIRST, b"first")])
    reference.leave_out(0, [(int(2.9 * FRAMES_PER_S), int(7.1 * FRAMES_PER_S))])
    assert spans(windows(printed(TUNE, b"later"), reference), 99) == []
    assert windows(printed(FIRST, b"first"), Reference([printed(FIRST, b"first")])) == []


def test_a_third_airing_in_one_unit_names_the_first() -> None:
    sound = np.concatenate([TUNE, talk(50, 8), TUNE, talk(51, 8), TUNE])
    own = printed(sound, b"one")
    found = spans(windows(own, Reference([own]), 0), 0)
    assert [round(span.first / FRAMES_PER_S) for span in found] == [12, 24]
    assert all(abs(span.frame / FRAMES_PER_S - (span.first / FRAMES_PER_S) % 12) < 0.2 for span in found)


def test_the_compiled_hits_are_those_of_a_comparison_of_all_with_all() -> None:
    asked, stored = landmarks(peaks_of(talk(1, 2))), rarest(landmarks(peaks_of(FIRST)))
    like = np.all(np.abs(asked[:, None, 1:] - stored[None, :, 1:]) <= ERROR, axis=2)
    mine, here = Table(stored).hits(asked)
    assert sorted(zip(mine.tolist(), here.tolist(), strict=True)) == list(map(tuple, np.argwhere(like).tolist()))
    assert len(mine) > 100
