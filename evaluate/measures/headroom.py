"""Headroom of systems: their share of the ceiling, and which of them exceed which, at every width.

The ceiling reads the true transcript.  Significance is by paired randomisation tests of nDCG@10, corrected by Holm over
all pairs of systems at all widths of a task, since all of them are read in one table.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from evaluate.measures.bootstrap import ratio
from evaluate.measures.metrics import Judged
from evaluate.measures.names import NDCG
from evaluate.measures.significance import holm, letters, randomisation_p
from evaluate.results import Headroom
from evaluate.systems import CEILING, TABLE_ORDER


def headroom(
    judged: Mapping[str, Mapping[int, Judged]], dims: Sequence[int], draws: int = 2000, seed: int = 0
) -> dict[str, dict[int, Headroom]]:
    """{system: {dim: headroom}}, systems in the order of the first table; the first is a, the second b ..."""
    order = table_order(judged)
    values = {dim: {one: judged[one][dim].values[NDCG] for one in order} for dim in dims}
    pairs = [(dim, one, other) for dim in dims for one, other in combinations(order, 2)]
    p: dict[int, dict[tuple[str, str], float]] = {dim: {} for dim in dims}
    if pairs:
        differences = np.stack([values[dim][one] - values[dim][other] for dim, one, other in pairs])
        for (dim, one, other), adjusted in zip(pairs, holm(randomisation_p(differences, seed=seed)), strict=True):
            p[dim][one, other] = float(adjusted)
    exceeds = {dim: letters(values[dim], p[dim]) for dim in dims}
    return {
        one: {
            dim: Headroom(
                ratio(values[dim][one], values[dim][CEILING], draws, seed) if CEILING in order else None,
                exceeds[dim][one],
            )
            for dim in dims
        }
        for one in order
    }


def table_order(systems: Mapping[str, object] | Sequence[str]) -> list[str]:
    """The systems as the first table lists them; those that it does not know come last."""
    known = [one for one in TABLE_ORDER if one in systems]
    return [*known, *(one for one in systems if one not in known)]
