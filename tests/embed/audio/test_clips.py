"""Clips of a recording: they begin where they are asked to, in every container."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.clips import clip, peaks, uploaded_question
from embed.audio.decode import decode
from embed.encoder import SAMPLE_RATE
from embed.errors import InputError

ONSET_S, MOST_APART_S = 5.0, 0.020


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of tone after five seconds of near silence, in several containers."""
    made = tmp_path_factory.mktemp("clips")
    time = np.arange(44_100 * 12) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time >= ONSET_S) & (time < ONSET_S + 1))
    for name in ("tone.wav", "tone.flac", "tone.mp3", "tone.ogg"):
        soundfile.write(made / name, tone.astype(np.float32), 44_100)
    return made


@pytest.mark.parametrize("kind", ["wav", "webm"])
@pytest.mark.parametrize("name", ["tone.wav", "tone.flac", "tone.mp3", "tone.ogg"])
def test_a_clip_begins_where_it_is_asked_to(folder: Path, name: str, kind: str, tmp_path: Path) -> None:
    made = clip(str(folder / name), 4.25, 7.0, kind)  # type: ignore[arg-type]  # of two literals
    (tmp_path / f"clip.{kind}").write_bytes(made)
    samples = decode(str(tmp_path / f"clip.{kind}")).samples
    loud = np.flatnonzero(np.abs(samples) > 0.2) / SAMPLE_RATE
    assert abs(loud[0] - (ONSET_S - 4.25)) < MOST_APART_S
    assert abs(loud[-1] - (ONSET_S + 1 - 4.25)) < MOST_APART_S


def test_peaks_are_where_the_sound_is(folder: Path) -> None:
    found = peaks(str(folder / "tone.flac"), 4.0, 8.0, 4)
    assert [round(one, 1) for one in found] == [0.0, 0.5, 0.0, 0.0]
    assert len(peaks(str(folder / "tone.flac"), 4.0, 4.001, 200)) == 200


def test_a_clip_after_the_end_is_an_error(folder: Path) -> None:
    with pytest.raises(InputError, match="no sound from 20"):
        clip(str(folder / "tone.wav"), 20.0, 21.0, "wav")


def test_an_upload_is_never_named(folder: Path) -> None:
    data = clip(str(folder / "tone.wav"), 4.5, 6.5, "webm")
    assert abs(len(uploaded_question(data, 30) / SAMPLE_RATE) - 2 * SAMPLE_RATE) < MOST_APART_S * SAMPLE_RATE
    for wrong in (b"", b"noise" * 100, data[:50]):
        with pytest.raises(InputError, match=r"^audio: "):
            uploaded_question(wrong, 30)
    with pytest.raises(InputError, match=r"may last 1\.0 s"):
        uploaded_question(data, 1)
