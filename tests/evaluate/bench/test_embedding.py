"""The peers of the embedding bench, on tiny random towers: they must compute the same things."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest

from embed.encoder import SAMPLE_RATE
from embed.errors import DegluError
from embed.model.directory import assemble
from embed.model.spec import EncoderSpec, SpeechTowerSpec
from embed.model.speech_tower import SpeechTower
from evaluate.bench.embedding import PREFIX, check_equal, cosines, padded, plain, text_rows, true_lengths
from evaluate.bench.samples import made_up_waves

TEXTS = ["rain", "the price of rice is not what it was", "un marché à thiès", "goal in the last minute"] * 10


def test_plain_transformers_give_the_vectors_of_encode(tiny: Callable[[str], str]) -> None:
    values = {"text": {"name": tiny("bert"), "pooling": "mean", "document": PREFIX}, "dims": [32]}
    model = assemble(EncoderSpec.parse(values))
    check_equal({"ours": model.encode(TEXTS, "document"), "plain": plain(model, TEXTS)})


def test_a_wave_of_thirty_seconds_has_the_same_frames_either_way(tiny: Callable[[str], str]) -> None:
    """With hardly any padding to attend to, both run the same encoder."""
    tower = SpeechTower.load(SpeechTowerSpec.parse({"name": tiny("whisper")}))
    long = np.random.default_rng(0).standard_normal(int(29.7 * SAMPLE_RATE)).astype(np.float32)
    short = made_up_waves(1)[0]
    near = cosines(true_lengths(tower, [short, long]), padded(tower, [short, long]))
    assert near[1] > 0.999
    assert near[0] > 0.5


def test_unequal_vectors_are_no_comparison() -> None:
    axes = np.eye(2, dtype=np.float32)
    with pytest.raises(DegluError, match=r"vectors of 'theirs' and 'ours' differ: lowest cosine 0\.000000"):
        check_equal({"ours": axes, "theirs": axes[::-1]})


@pytest.mark.data
def test_real_weights_beside_every_peer() -> None:
    """The speech half, which takes its time, is run by test_main."""
    rows = text_rows(4)
    assert all(row.measure.endswith("texts to vectors") and row.ours > 0 for row in rows)
    absent = [row.against for row in rows if row.theirs is None]
    assert absent == ([] if find_spec("sentence_transformers") else ["sentence-transformers"])
    assert len(rows) == 2
