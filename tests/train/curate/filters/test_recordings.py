from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.storage import store
from tests.train.lesson import make_clips, tone
from train.curate.clip import Clip
from train.curate.filters.recordings import Dropped, checked, level_dbfs


def written(path: Path, wave: np.ndarray, key: str) -> Clip:
    soundfile.write(path, wave, SAMPLE_RATE)
    return Clip("own", f"own:{key}", "en", "A tone.", str(path), {})


def test_what_cannot_be_heard_is_left_out_with_its_reason(tmp_path: Path) -> None:
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
    kept, dropped = checked(clips, longest_s=2.0)
    assert kept == good
    assert dropped == [
        Dropped("own:gone (en)", "missing"),
        Dropped("own:torn (en)", "unreadable"),
        Dropped("own:silent (en)", "silent"),
        Dropped("own:zeros (en)", "silent"),
        Dropped("own:short (en)", "shorter than 0.1 s"),
        Dropped("own:long (en)", "longer than 2 s"),
        Dropped("own:beyond (en)", "the recording ends before the listed stretch does"),
        Dropped("own:behind (en)", "the recording ends before the listed stretch does"),
    ]


def test_a_store_may_hold_the_recordings(tmp_path: Path, storage_url: str) -> None:
    near = make_clips(tmp_path, 1)[0]
    store.write_bytes(store.join(storage_url, "a.wav"), Path(near.uri).read_bytes())
    far = replace(near, uri=store.join(storage_url, "a.wav"))
    gone = replace(near, uri=store.join(storage_url, "gone.wav"))
    assert checked([far, gone]) == ([far], [Dropped("own:0 (en)", "missing")])


def test_the_level_is_of_the_root_mean_square() -> None:
    assert level_dbfs(np.full(100, 0.1, np.float32)) == pytest.approx(-20)
    assert level_dbfs(np.zeros(100, np.float32)) == -np.inf
