"""The demo's archive: what was joined is where the truth says it is; without recordings a bulletin stands in."""

from pathlib import Path

import numpy as np
import pytest

from embed.audio.decode import decode
from embed.errors import DataUnavailable
from embed.storage.cache import cache_folder
from jobs.demo.demo_material import ARCHIVE, Material, make_material, voice
from train.curate.sources import asterisk


def loudness(folder: Path, uri: str, start_s: float, end_s: float) -> float:
    """Root mean square of a span of a programme."""
    samples = decode(str(folder / uri.removeprefix(f"{ARCHIVE}/"))).samples
    return float(np.sqrt(np.mean(samples[int(start_s * 16_000) : int(end_s * 16_000)] ** 2)))


@pytest.fixture
def synthetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Material:
    def nothing(*_: object) -> list[object]:
        raise DataUnavailable("no apt here")

    monkeypatch.setattr(asterisk, "clips", nothing)
    return make_material(tmp_path, tmp_path)


@pytest.mark.slow
def test_without_recordings_a_bulletin_stands_in_and_says_so(synthetic: Material) -> None:
    assert not synthetic.recorded
    assert synthetic.questions == ()
    for one in synthetic.broadcasts:
        assert loudness(synthetic.archive, one.uri, one.start_s, one.end_s) > 0.01
        assert loudness(synthetic.archive, one.uri, one.start_s - 0.9, one.start_s - 0.1) < 1e-4
    assert sorted(path.name for path in synthetic.corpus.iterdir()) == ["captions-en.jsonl", "captions-fr.jsonl"]


def test_the_voice_is_the_same_every_time_and_differs_by_seed() -> None:
    assert np.array_equal(voice(0.5, 1), voice(0.5, 1))
    assert not np.array_equal(voice(0.5, 1), voice(0.5, 2))


@pytest.mark.data
def test_programmes_hold_prompts_where_the_truth_says(tmp_path: Path) -> None:
    made = make_material(tmp_path, cache_folder())
    if not made.recorded:
        pytest.skip("recordings cannot be had here")
    assert {Path(one.uri).suffix for one in made.broadcasts} == {".wav", ".flac", ".ogg", ".mp3"}
    chosen = made.broadcasts[::40]
    for one in chosen:
        inside = loudness(made.archive, one.uri, one.start_s, one.end_s)
        before = loudness(made.archive, one.uri, max(0.0, one.start_s - 0.7), one.start_s - 0.1)
        assert inside > 20 * before, one
    assert len(made.questions) >= 50
    asked = {clip.key for clip in made.questions}
    assert asked <= {one.key for one in made.broadcasts if one.lang == "fr"}
    # A question typed in English must not find its English recording.
    assert not asked & {one.key for one in made.broadcasts if one.lang == "en"}
    assert make_material(tmp_path, cache_folder()) == made
