"""What headers say of the length of sound, against what is there: longer pictures, files that were cut off."""

from pathlib import Path

import numpy as np
import pytest

from embed.audio.decode import probe
from embed.encoder import SAMPLE_RATE
from embed.tables import CutUnit
from tests.embed.films import Track, film
from tests.embed.sounds import tone
from tests.embed.test_long import cuts_of

WAVE = tone(6, 440)

LONGER = {  # container: picture, sound, rate
    "a.mkv": ("mpeg4", "aac", 16_000),
    "a.webm": ("libvpx", "libopus", 48_000),
    "a.flv": ("flv", "libmp3lame", 44_100),
    "a.wmv": ("wmv2", "wmav2", 16_000),
    "a.mp4": ("mpeg4", "aac", 44_100),
    "a.avi": ("mpeg4", "ac3", 48_000),
    "a.mpg": ("mpeg2video", "mp2", 48_000),
}


def totals(rows: list[CutUnit]) -> tuple[float, float, list[str]]:
    return (
        sum(row["decoded_s"] for row in rows),
        sum(row["lost_s"] for row in rows),
        [one["message"] for row in rows for one in row["failures"]],
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_a_picture_that_lasts_longer_loses_nothing(name: str, tmp_path: Path) -> None:
    picture, codec, rate = LONGER[name]
    film(tmp_path / name, Track(WAVE, codec, rate), picture=picture, picture_s=14)
    decoded_s, lost_s, messages = totals(cuts_of(tmp_path / name, mode="windows", unit_s=10))
    assert decoded_s == pytest.approx(6, abs=0.1)
    assert (lost_s, messages) == (0, [])


@pytest.mark.parametrize(("name", "codec", "picture"), [("a.mkv", "flac", "mpeg4"), ("a.webm", "libopus", None)])
def test_a_file_that_was_cut_off_has_lost_what_the_header_of_its_sound_states(
    name: str, codec: str, picture: str | None, tmp_path: Path
) -> None:
    path = film(tmp_path / name, Track(WAVE, codec), picture=picture, picture_s=14)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    decoded_s, lost_s, messages = totals(cuts_of(path, mode="windows", unit_s=10))
    assert decoded_s == pytest.approx(6, abs=0.1)
    assert 2 < lost_s < 5
    assert len(messages) == 1
    assert "of its stated length are missing" in messages[0]


def amr(wide: bool, rng: np.random.Generator) -> bytes:
    """Twelve seconds, of which seven are a pause: descriptions of its noise, and frames without data."""
    speech, noise, num = (2, 9, 32) if wide else (7, 8, 31)
    data = b"#!AMR-WB\n" if wide else b"#!AMR\n"
    for frame in range(600):
        if not 100 <= frame < 450:
            data += bytes([speech << 3 | 4]) + rng.bytes(num)
        else:
            data += bytes([noise << 3 | 4]) + rng.bytes(5) if frame % 8 == 0 else bytes([15 << 3 | 4])
    return data


@pytest.mark.parametrize("wide", [False, True])
def test_pauses_of_amr_are_no_loss_and_its_length_is_counted(wide: bool, tmp_path: Path) -> None:
    (tmp_path / "a.amr").write_bytes(amr(wide, np.random.default_rng(0)))
    assert probe(str(tmp_path / "a.amr")).duration_s == pytest.approx(12, abs=0.03)
    decoded_s, lost_s, messages = totals(cuts_of(tmp_path / "a.amr", mode="windows"))
    assert decoded_s == pytest.approx(12, abs=0.03)
    assert (lost_s, messages) == (0, [])


@pytest.mark.slow
def test_the_guessed_duration_of_aac_is_counted(tmp_path: Path) -> None:
    loud = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * SAMPLE_RATE).astype(np.float32)
    path = film(tmp_path / "a.aac", Track(np.concatenate([loud, np.zeros(20 * SAMPLE_RATE, np.float32)]), "aac"))
    assert probe(str(path)).duration_s == pytest.approx(22, abs=0.1)
    assert totals(cuts_of(path, mode="windows"))[1:] == (0, [])
