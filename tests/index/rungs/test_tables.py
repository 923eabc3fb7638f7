"""What the search in one call reads: what is refused before a compiled loop could read past an end."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from index.ladder import Setting
from index.rungs.coder import Coder
from index.rungs.tables import Tables, mismatch
from tests.index import shelves
from tests.index.rungs.test_simd import needs_avx2
from tests.index.shelves import EVERYTHING, WIDTH, clustered, coder_of

CODER = coder_of(clustered(600, 1))
SEGMENT = shelves.segment(clustered(100, 1), CODER)
ROUTER = np.zeros((8, WIDTH + 1), np.float32)
BITS = np.full(13, 255, np.uint8)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables([SEGMENT], CODER, ROUTER[:, :-1], ROUTER[:, -1])


@pytest.mark.parametrize(
    "bits",
    [
        BITS[:-1],
        BITS.astype(np.int64),
        np.ones(100, bool),
        np.full((13, 1), 255, np.uint8),
        np.full(26, 255, np.uint8)[::2],
    ],
    ids=["too few", "other type", "a mask", "two axes", "apart"],
)
def test_bits_that_are_not_the_rows_are_refused(bits: Any, tables: Tables) -> None:
    with pytest.raises(ValueError, match=r"bits of 100 rows are uint8 \[13\]"):
        tables.search(clustered(1, 2), WIDTH, EVERYTHING, 5, [bits])


@pytest.mark.parametrize(
    ("queries", "dim"),
    [(clustered(1, 2)[:, :8], 8), (clustered(1, 2).astype(float), WIDTH), (clustered(1, 2), WIDTH + 1),
     (clustered(1, 2), 0), (clustered(1, 2)[0], WIDTH)],
    ids=["narrow", "other type", "dim too large", "no dim", "one axis"],
)  # fmt: skip
def test_queries_of_another_shape_are_refused(queries: Any, dim: int, tables: Tables) -> None:
    with pytest.raises(ValueError, match="queries of width 16 are float32"):
        tables.search(queries, dim, EVERYTHING, 5, None)


@needs_avx2
def test_queries_with_gaps_between_values_are_read_right(tables: Tables) -> None:
    wide = np.repeat(clustered(3, 2), 2, axis=1)[:, ::2]
    hits, spent = tables.search(wide, WIDTH, EVERYTHING, 5, [None])
    assert hits.ids.tolist() == SEGMENT.exact(clustered(3, 2), np.arange(100)[None], WIDTH, 5).ids.tolist()
    assert spent[4:].tolist() == [300, 300, 300]
    assert (spent[:4] > 0).all()


@needs_avx2
@pytest.mark.parametrize("k", [1, 100, 150, 3_000])
def test_more_may_be_asked_for_than_there_is(k: int, tables: Tables) -> None:
    hits, _ = tables.search(clustered(2, 2), WIDTH, Setting(depth=1e9, shortlist=10, exact=5), k, None)
    found = (hits.ids >= 0).sum(axis=1)
    assert found.tolist() == [min(k, 100)] * 2


def test_parts_that_belong_together_are_a_shelf() -> None:
    assert mismatch([SEGMENT], CODER, ROUTER) is None
    assert mismatch([SEGMENT, shelves.segment(clustered(3, 2), CODER)], CODER, None) is None


OTHER: list[tuple[Callable[[], Any], str]] = [
    (lambda: ([shelves.segment(clustered(9, 1))], CODER, ROUTER), "rows without codes and a coder"),
    (lambda: ([SEGMENT], coder_of(clustered(600, 1), lists=4), None), "codes of .* a coder of"),
    (lambda: ([SEGMENT], coder_of(clustered(600, 1), subspaces=4), None), "codes of .* a coder of"),
    (lambda: ([SEGMENT], _order(CODER, 16), None), "a coder of dims 0 to 16, rows of 16 dims"),
    (lambda: ([SEGMENT], _order(CODER, -1), None), "a coder of dims -1 to"),
    (lambda: ([SEGMENT], CODER, ROUTER[:-1]), "a router of shape"),
    (lambda: ([SEGMENT], CODER, ROUTER[:, :-1]), "a router of shape"),
    (lambda: ([SEGMENT], CODER, ROUTER * np.nan), "a router of shape"),
]


def _order(coder: Coder, dim: int) -> Coder:
    order = coder.order.copy()
    order[0] = dim
    return replace(coder, order=order)


@pytest.mark.parametrize(("parts", "why"), OTHER)
def test_parts_of_others_are_named(parts: Any, why: str) -> None:
    found = mismatch(*parts())
    assert found is not None
    assert np.all([piece in found for piece in why.split(" .* ")])
