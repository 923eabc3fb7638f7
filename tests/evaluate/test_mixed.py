"""Mixed collections in a space where speech and text lie apart."""

import numpy as np
import pytest

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from evaluate.measures.names import NDCG
from evaluate.measures.quality import evaluate_task
from evaluate.mixed import merged_at, mixed_vectors
from index.calibration.merging import merge_rule

WIDTH = 32


def rows(count: int, seed: int, gap: float = 0.0) -> FloatArray:
    """Unit vectors; with a gap they lie around the first axis."""
    found: FloatArray = np.random.default_rng(seed).standard_normal((count, WIDTH), np.float32) / np.float32(5)
    found[:, 0] += gap
    return truncate(found, WIDTH)


def test_products_are_the_scores_of_the_rule() -> None:
    queries, speech, text = rows(4, 0), rows(50, 1, 1.0), rows(60, 2)
    asked, kept = merged_at(queries, speech, text, 16)
    rule = merge_rule(queries, {"speech": speech, "text": text}, 16)
    unit = truncate(queries, 16)
    for name, part, some in (("speech", slice(0, 50), speech), ("text", slice(50, 110), text)):
        slope, offset = rule[name]
        expected = slope[:, None] * (unit @ truncate(some, 16).T) + offset[:, None]
        assert asked @ kept[part].T == pytest.approx(expected, abs=1e-3)


def test_the_rule_finds_texts_that_plain_cosines_rank_below_speech() -> None:
    """Spoken questions are nearer to all speech than to the text that answers them."""
    text = rows(80, 2)
    speech, queries = rows(80, 1, 1.5), truncate(text[:40] + np.eye(WIDTH, dtype=np.float32)[0] * 1.5, WIDTH)
    sides = mixed_vectors({"mine": queries}, {"mine": speech}, {"mine": text}, ["mine"], [WIDTH, 16])
    task = evaluate_task("any", *sides, np.arange(80, 120), [WIDTH, 16], draws=100)
    merged, plain = task.systems
    assert (merged.name, plain.name) == ("mine", "mine, plain cosines")
    assert task.documents == 160
    for dim in (WIDTH, 16):
        assert merged.by_dim[dim][NDCG].mean > plain.by_dim[dim][NDCG].mean + 0.2
    assert merged.widths == {}
    assert plain.widths


def test_independent_heads_are_not_merged() -> None:
    heads = {16: rows(3, 0)[:, :16]}
    with pytest.raises(InputError, match="independent heads"):
        mixed_vectors({"dual": heads}, {"dual": heads}, {"dual": heads}, ["dual"], [16])
