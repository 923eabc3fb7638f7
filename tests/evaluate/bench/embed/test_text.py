"""The peers of the text section, on tiny random towers: they must compute the same things."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest

from embed.errors import DegluError
from embed.model.spec import EncoderSpec
from embed.model.weights import assemble
from evaluate.bench.embed.text import PREFIX, check_equal, drift, plain, text_rows

TEXTS = ["rain", "the price of rice is not what it was", "un marché à thiès", "goal in the last minute"] * 10


def test_plain_transformers_give_the_vectors_of_encode(tiny: Callable[[str], str]) -> None:
    values = {"text": {"name": tiny("bert"), "pooling": "mean", "document": PREFIX}, "dims": [32]}
    model = assemble(EncoderSpec.parse(values))
    check_equal({"ours": model.encode(TEXTS, "document"), "plain": plain(model, TEXTS)})


def test_unequal_vectors_are_no_comparison() -> None:
    axes = np.eye(2, dtype=np.float32)
    with pytest.raises(DegluError, match=r"vectors of 'theirs' and 'ours' differ: lowest cosine 0\.000000"):
        check_equal({"ours": axes, "theirs": axes[::-1]})


@pytest.mark.slow
def test_drift_is_told_against_float32_and_one_by_one(tiny: Callable[[str], str]) -> None:
    values = EncoderSpec.parse({"text": {"name": tiny("bert"), "pooling": "mean"}, "dims": [32]})
    exact, quick = (assemble(values).for_inference(precision) for precision in ("float32", "bfloat16"))
    near, alone, alone_quick = drift(exact, quick, TEXTS)
    assert near.measure.startswith("lowest cosine of texts, bfloat16: 0.99")
    assert 0.99 < near.ours < 1  # it is another arithmetic, and nearly the same vector
    assert (alone.measure[:33], alone.met) == ("lowest cosine, float32 in batches", True)
    assert alone_quick.goal is None


@pytest.mark.data
@pytest.mark.campaign
def test_real_weights_beside_every_peer() -> None:
    """The whole bench, speech included, is run by test_main."""
    rows = text_rows(4)
    speeds = [row for row in rows if row.unit == "texts/cpu-s"]
    assert all("texts to vectors, ours, " in row.measure and row.ours > 0 for row in speeds)
    absent = [row.against for row in speeds if row.theirs is None]
    assert absent == ([] if find_spec("sentence_transformers") else ["sentence-transformers"])
    assert all(row.met for row in rows if row.unit == "" and row.goal is not None)
