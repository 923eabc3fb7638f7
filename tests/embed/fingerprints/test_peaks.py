"""Spectral peaks: the same for a part and for the whole, at any level, and moved by a shift as a whole."""

import numpy as np
import pytest

from embed.encoder import SAMPLE_RATE
from embed.fingerprints.peaks import FRAMES_PER_S, SPAN, Peaks, peaks_of
from tests.embed.fingerprints.sounds import talk, tune

SOUND = np.concatenate([talk(1, 4), tune(2, 4), talk(3, 4)])


def as_set(peaks: Peaks) -> set[tuple[int, int]]:
    return set(zip(peaks.frame.tolist(), peaks.pitch.tolist(), strict=True))


def test_a_part_has_the_peaks_of_the_whole_at_the_same_frames() -> None:
    first = 3 * SAMPLE_RATE + 77
    whole, part = peaks_of(SOUND), peaks_of(SOUND[first:], first)
    after = int(first / SAMPLE_RATE * FRAMES_PER_S) + SPAN + 10  # the loudest peak near is known from here on
    assert as_set(part.between(after, 10**6)) == as_set(whole.between(after, 10**6))
    assert len(whole.between(after, 10**6)) > 100


@pytest.mark.parametrize("seed", range(4))
def test_a_shift_by_any_number_of_samples_moves_most_peaks_by_its_frames(seed: int) -> None:
    shift = int(np.random.default_rng(seed).integers(1, 5_000))
    before, after = peaks_of(SOUND), peaks_of(np.pad(SOUND, (shift, 0)))
    moved = round(shift / SAMPLE_RATE * FRAMES_PER_S)
    near = {(frame + moved + a, pitch + b) for frame, pitch in as_set(before) for a in (-1, 0, 1) for b in range(-8, 9)}
    assert np.mean([one in near for one in as_set(after)]) > 0.75
    far = {(frame + 500, pitch) for frame, pitch in near}
    assert np.mean([one in far for one in as_set(after)]) < 0.25


def test_the_level_changes_no_peak() -> None:
    one, other = peaks_of(SOUND), peaks_of(SOUND * np.float32(0.125))
    assert as_set(one) == as_set(other)


def test_silence_and_less_than_a_window_have_no_peaks() -> None:
    assert [len(peaks_of(np.zeros(num, np.float32))) for num in (0, 1, 500, SAMPLE_RATE)] == [0, 0, 0, 0]


def test_a_tone_is_where_it_is_heard() -> None:
    times = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
    sound = np.zeros(2 * SAMPLE_RATE, np.float32)
    sound[SAMPLE_RATE : SAMPLE_RATE + len(times)] = 0.3 * np.sin(2 * np.pi * 1000 * times) * np.hanning(len(times))
    found = peaks_of(sound)
    loudest = [one for one in as_set(found) if abs(one[1] - 2048) <= 4]  # two octaves above 250 Hz
    assert any(abs(frame / FRAMES_PER_S - 1.1) < 0.05 for frame, _ in loudest)


def test_packed_and_unpacked_are_equal() -> None:
    peaks = peaks_of(SOUND)
    assert as_set(Peaks.unpacked(peaks.packed())) == as_set(peaks)
    assert len(Peaks.unpacked(b"")) == 0
