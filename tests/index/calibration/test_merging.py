"""The rule of merging next to what an index of the same rows answers with modality `any`."""

from typing import Any

import numpy as np
import pytest

from embed.encoder import truncate
from index.calibration.merging import merge_rule
from index.contracts import SearchRequest


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, 60])
def test_scores_are_those_of_the_index(count: int, opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    """Below and above the rows that z-scores require; so few that all are held-out questions, in any order of rows."""
    rows = {"speech": nested_rows(count, 32, 0), "text": nested_rows(2 * count, 32, 1)}
    queries = nested_rows(5, 32, 2)
    index = opened(vectors_of(speech=rows["speech"], text=rows["text"], dims=(32, 16)), ladder="exact")
    for dim in (32, 16):
        hits = index.search(queries, SearchRequest(k=3 * count, modality="any", dim=dim))
        provenance = index.rows(hits.ids.reshape(-1))
        modality = provenance["modality"].to_pylist()
        numbers = [int(dict(row)["number"]) for row in provenance["metadata"].to_pylist()]
        rule = merge_rule(queries, rows, dim)
        unit = truncate(queries, dim)
        cosines = {name: unit @ truncate(of.astype(np.float16).astype(np.float32), dim).T for name, of in rows.items()}
        for place, score in enumerate(hits.scores.reshape(-1)):
            query, name = place // (3 * count), modality[place]
            slope, offset = rule[name]
            expected = slope[query] * cosines[name][query, numbers[place]] + offset[query]
            assert score == pytest.approx(expected, abs=2e-3)


def test_slopes_are_positive_so_each_modality_keeps_its_order(nested_rows: Any) -> None:
    rule = merge_rule(nested_rows(5, 32, 2), {"speech": nested_rows(40, 32, 0), "text": nested_rows(90, 32, 1)}, 32)
    assert set(rule) == {"speech", "text"}
    assert all((slope > 0).all() and slope.shape == offset.shape == (5,) for slope, offset in rule.values())
