"""The peers of the speech section, on tiny random towers: they run the same encoder."""

from collections.abc import Callable

import numpy as np
import pytest

from embed.encoder import SAMPLE_RATE
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.speech import SpeechTower
from evaluate.bench.embed.samples import made_up_waves
from evaluate.bench.embed.speech import padded_to_30_s, padded_to_longest, true_lengths
from evaluate.bench.embed.text import cosines


@pytest.mark.slow
def test_a_wave_of_thirty_seconds_has_the_same_frames_either_way(tiny: Callable[[str], str]) -> None:
    """With hardly any padding to attend to, both run the same encoder."""
    tower = SpeechTower.load(SpeechTowerSpec.parse({"name": tiny("whisper")}))
    long = np.random.default_rng(0).standard_normal(int(29.7 * SAMPLE_RATE)).astype(np.float32)
    short = made_up_waves(1)[0]
    near = cosines(true_lengths(tower, [short, long]), padded_to_30_s(tower, [short, long]))
    assert near[1] > 0.999
    assert near[0] > 0.5


def test_waves_of_one_length_have_the_same_frames_either_way(tiny: Callable[[str], str]) -> None:
    """Nothing to pad: the fairer peer differs by its last frame at most."""
    tower = SpeechTower.load(SpeechTowerSpec.parse({"name": tiny("hubert"), "layers": [3]}))
    same = [wave[: SAMPLE_RATE // 2] for wave in made_up_waves(20) if len(wave) > SAMPLE_RATE][:3]
    assert cosines(true_lengths(tower, same), padded_to_longest(tower, same)).min() > 0.999
