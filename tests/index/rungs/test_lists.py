"""The lists of a segment: where each begins; and codes that are not the segment's."""

import numpy as np
import pytest

from index.faiss_library import library
from index.rungs.lists import FIRST, SIZE, START, list_table
from tests.index import shelves
from tests.index.shelves import clustered, coder_of


def test_a_table_has_every_row_once() -> None:
    coder = coder_of(clustered(600, 1))
    one = shelves.segment(clustered(500, 2), coder)
    table = list_table(one.codes, 500)
    sizes = np.bincount(coder.lists_of(one.rows), minlength=coder.lists)
    assert table[SIZE].tolist() == sizes.tolist()
    assert table[FIRST].tolist() == (np.cumsum(sizes) - sizes).tolist()
    assert ((table[START] != 0) == (sizes > 0)).all()


def test_lists_without_rows_have_no_address() -> None:
    coder = coder_of(clustered(600, 1))
    table = list_table(shelves.segment(clustered(1, 2), coder).codes, 1)
    assert sorted(table[SIZE].tolist()) == [*[0] * 7, 1]
    assert (table[START, table[SIZE] == 0] == 0).all()


def test_codes_of_other_rows_are_refused() -> None:
    rows = clustered(100, 1)
    coder = coder_of(rows)
    ascending = np.sort(coder.lists_of(rows))
    with pytest.raises(ValueError, match="codes of 100 rows for 99 rows"):
        list_table(coder.codes([rows], ascending), 99)
    with pytest.raises(ValueError, match="its codes are not in the order of its rows"):
        list_table(coder.codes([rows], ascending[::-1].copy()), 100)
    wide = library().index_factory(16, "IVF4,PQ8x4fs_64", library().METRIC_INNER_PRODUCT)
    with pytest.raises(ValueError, match="its codes are not in blocks of 32 rows"):
        list_table(wide, 0)
