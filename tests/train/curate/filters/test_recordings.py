from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.storage import store
from tests.train.lesson import make_clips, tone
from train.curate.clip import Clip
from train.curate.filters.recordings import RecordingFilter, level_dbfs


def written(path: Path, wave: np.ndarray, key: str) -> Clip:
    soundfile.write(path, wave, SAMPLE_RATE)
    return Clip("own", f"own:{key}", "en", "A tone.", str(path), {})


def test_a_recording_that_cannot_be_used_is_dropped_with_its_reason(tmp_path: Path) -> None:
    good = make_clips(tmp_path, 1)[:3]
    torn = tmp_path / "torn.wav"
    torn.write_bytes(b"no sound at all")
    clips = [
        good[0],
        replace(good[0], key="own:gone", uri=str(tmp_path / "gone.wav")),
        replace(good[0], key="own:torn", uri=str(torn)),
        good[1],
        written(tmp_path / "silent.wav", tone(0, 0) * 1e-4, "silent"),
        written(tmp_path / "zeros.wav", np.zeros(SAMPLE_RATE), "zeros"),
        written(tmp_path / "short.wav", tone(0, 0)[: SAMPLE_RATE // 20], "short"),
        written(tmp_path / "long.wav", np.tile(tone(0, 0), 6), "long"),
        replace(good[0], key="own:beyond", offset_s=0.4, duration_s=2.0),
        replace(good[0], key="own:behind", offset_s=60.0),
        good[2],
    ]
    judge = RecordingFilter(longest_s=2.0)
    assert {clip.key: reason for clip in clips if (reason := judge(clip)) is not None} == {
        "own:gone": "missing",
        "own:torn": "unreadable",
        "own:silent": "silent",
        "own:zeros": "silent",
        "own:short": "shorter than 0.1 s",
        "own:long": "longer than 2 s",
        "own:beyond": "the recording ends before the listed stretch does",
        "own:behind": "the recording ends before the listed stretch does",
    }


def test_a_store_may_hold_the_recordings(tmp_path: Path, storage_url: str) -> None:
    near = make_clips(tmp_path, 1)[0]
    store.write_bytes(store.join(storage_url, "a.wav"), Path(near.uri).read_bytes())
    far = replace(near, uri=store.join(storage_url, "a.wav"))
    gone = replace(near, uri=store.join(storage_url, "gone.wav"))
    assert [RecordingFilter()(one) for one in (far, gone)] == [None, "missing"]


def test_the_level_is_of_the_root_mean_square() -> None:
    assert level_dbfs(np.full(100, 0.1, np.float32)) == pytest.approx(-20)
    assert level_dbfs(np.zeros(100, np.float32)) == -np.inf
