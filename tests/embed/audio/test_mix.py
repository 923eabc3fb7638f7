from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.decode import decode
from embed.audio.mix import mean_of, mixed
from embed.encoder import FloatArray

RATE = 8_000
SECONDS = 6


def noise(seed: int, loudness: float = 0.1) -> FloatArray:
    wave: FloatArray = np.random.default_rng(seed).standard_normal(SECONDS * RATE).astype(np.float32) * loudness
    return wave


def frames(*channels: FloatArray) -> FloatArray:
    return np.stack(channels, axis=1)


VOICE, HUSH = noise(0), np.zeros(SECONDS * RATE, np.float32)
LATE = np.concatenate([HUSH[:3], VOICE[:-3]])
HEALTHY = {
    "the same in both": (VOICE, VOICE),
    "one silent": (VOICE, HUSH),
    "both silent": (HUSH, HUSH),
    "independent": (VOICE, noise(1)),
    "a little later": (VOICE, LATE),
    "wide music, partly opposite": (VOICE, -0.6 * VOICE + 0.8 * noise(1)),
    "opposite and half as loud": (VOICE, -0.5 * VOICE),
    "opposite, under louder noise": (VOICE + noise(1, 0.2), -VOICE + noise(2, 0.2)),
    "5.1": (VOICE, VOICE, VOICE, HUSH, 0.3 * noise(1), 0.3 * noise(2)),
    "5.1 with opposite, very soft backs": (VOICE, VOICE, VOICE, HUSH, 0.01 * VOICE, -0.01 * VOICE),
}
# and the gain of the voice in the mix
CANCELLED = {
    "inverted": (1, VOICE, -VOICE),
    "inverted and softer": (0.85, VOICE, -0.7 * VOICE),
    "inverted, with noise": (1, VOICE + noise(1, 0.03), -VOICE + noise(2, 0.03)),
    "inverted, with an offset": (1, VOICE + np.float32(0.2), -VOICE + np.float32(0.2)),
    "5.1 with inverted fronts": (1 / 3, VOICE, -VOICE, HUSH, HUSH, noise(1, 0.01), noise(2, 0.01)),
    "5.1 with inverted fronts and backs": (1 / 3, VOICE, -VOICE, HUSH, HUSH, noise(1), -noise(1)),
    "three, one of them inverted": (1, VOICE, -VOICE, VOICE),
}


@pytest.mark.parametrize("channels", HEALTHY.values(), ids=HEALTHY)
def test_the_mix_is_the_mean_to_the_last_bit(channels: tuple[FloatArray, ...]) -> None:
    many = frames(*channels)
    np.testing.assert_array_equal(mixed(many, RATE), np.stack(channels).mean(axis=0, dtype=np.float32))


@pytest.mark.parametrize(("gain", "channels"), [(gain, many) for gain, *many in CANCELLED.values()], ids=CANCELLED)
def test_a_voice_that_the_mean_cancels_is_in_the_mix(gain: float, channels: list[FloatArray]) -> None:
    assert mixed(frames(*channels), RATE) @ VOICE / (VOICE @ VOICE) == pytest.approx(gain, abs=0.02)
    assert mean_of(frames(*channels)) @ VOICE / (VOICE @ VOICE) < 0.4 * gain


def test_a_sign_changes_from_the_middle_of_a_second_to_the_next_without_a_step() -> None:
    wave = np.sin(np.arange(SECONDS * RATE) / 7).astype(np.float32)
    turned = np.where(np.arange(len(wave)) < 3 * RATE, wave, -wave)
    found = mixed(frames(wave, turned), RATE)
    assert np.abs(np.diff(found)).max() < 0.15  # of a sine with steps of up to 0.143
    np.testing.assert_array_equal(found[: 5 * RATE // 2], wave[: 5 * RATE // 2])
    np.testing.assert_array_equal(found[7 * RATE // 2 :], wave[7 * RATE // 2 :])
    middle = found[3 * RATE - 200 : 3 * RATE + 200]
    assert 0.3 < middle.max() < 0.6  # half way only one channel is heard


def test_a_second_decides_alone_and_nothing_is_mixed_from_nothing() -> None:
    many = frames(VOICE, np.where(np.arange(len(VOICE)) // RATE % 2, VOICE, -VOICE))
    whole = mixed(many, RATE)
    for second in range(1, SECONDS):
        part = mixed(many[second * RATE :], RATE)
        np.testing.assert_array_equal(part[RATE // 2 :], whole[second * RATE + RATE // 2 :])
    assert mixed(many[:0], RATE).shape == (0,)
    assert mixed(many[:1], RATE).shape == (1,)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")], ids=lambda kind: kind[0]
)
def test_an_inverted_recording_is_the_same_from_every_place(kind: tuple[str, str], tmp_path: Path) -> None:
    """20 s whose mean is silence."""
    wave = np.convolve(np.random.default_rng(0).standard_normal(20 * 22_050), np.ones(6) / 15, "same")
    path = str(tmp_path / "a")
    soundfile.write(path, np.stack([wave, -wave], axis=1), 22_050, format=kind[0], subtype=kind[1])
    whole = decode(path)
    assert (round(whole.decoded_s, 2), whole.lost) == (20.0, [])
    assert whole.samples.std() == pytest.approx(wave.std(), rel=0.1)
    for start in (3, 10, 14.5):
        part = decode(path, start, start + 4).samples
        np.testing.assert_array_equal(part, whole.samples[int(start * 16_000) :][: len(part)])


@pytest.mark.parametrize("channels", [many for _, *many in CANCELLED.values() if len(many) == 2])
def test_each_channel_in_an_array_of_its_own_gives_the_same_mix(channels: list[FloatArray]) -> None:
    together = frames(*channels)
    np.testing.assert_allclose(mixed(np.asfortranarray(together), RATE), mixed(together, RATE), atol=1e-7)
