"""Cached features beside uncached ones: the same clips, the same losses."""

from pathlib import Path

import pytest

from embed.encoder import SAMPLE_RATE
from evaluate.bench.train.cache import cache_rows, recorded
from train.curate.clip import read_clip


def test_recordings_are_kept_as_they_are_read(tmp_path: Path) -> None:
    clips = recorded(3, tmp_path)
    assert [clip.key for clip in clips] == ["own:0", "own:1", "own:2"]
    for clip in clips:
        assert clip.duration_s is not None
        assert len(read_clip(clip)) == round(clip.duration_s * SAMPLE_RATE)
        assert clip.size == Path(clip.uri).stat().st_size


@pytest.mark.data
@pytest.mark.campaign
def test_both_ways_learn_the_same() -> None:
    speed, memory, kept = cache_rows(1, 1, 2)
    assert speed.theirs is not None
    assert min(speed.ours, speed.theirs) > 0
    assert memory.theirs is not None
    assert 500 < kept.ours < 1000  # six layers of 512, 25 frames a second, float16: 553 MB an hour
