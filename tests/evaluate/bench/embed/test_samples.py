"""What is encoded: as many as asked for, the same every time, and the stand-ins as long as the real ones."""

from pathlib import Path

import numpy as np
import pytest

from embed.encoder import SAMPLE_RATE
from evaluate.bench.embed import samples
from train.curate.clip import LONGEST_S
from train.curate.sources import manuals


@pytest.mark.slow
def test_made_up_texts_are_as_long_as_real_ones() -> None:
    some = samples.made_up_texts(2000)
    lengths = [len(text) for text in some]
    assert some == samples.made_up_texts(2000)
    assert max(lengths) <= manuals.LONGEST
    assert 120 < np.median(lengths) < 180
    assert np.percentile(lengths, 90) > 400


@pytest.mark.slow
def test_made_up_waves_are_as_long_as_real_ones() -> None:
    seconds = np.array([len(wave) / SAMPLE_RATE for wave in samples.made_up_waves(300)])
    assert seconds.max() <= LONGEST_S
    assert 2 < np.median(seconds) < 3


@pytest.mark.data
def test_real_ones_are_known_by_their_lengths() -> None:
    """The laws of the stand-ins are those of what is fetched."""
    texts, real = samples.texts(3000)
    waves, recorded = samples.waves(600)
    if not (real and recorded):
        pytest.skip("NO RECORDED DATA: the stand-ins were measured elsewhere")
    assert 120 < np.median([len(text) for text in texts]) < 180
    assert 2 < np.median([len(wave) / SAMPLE_RATE for wave in waves]) < 3
    assert texts[:5] == samples.texts(5)[0]


def test_without_data_the_stand_in_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no package manager there
    assert samples.texts(3) == (samples.made_up_texts(3), False)
    waves, real = samples.waves(2)
    assert (len(waves), real) == (2, False)
