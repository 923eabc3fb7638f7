"""Lists of a segment: for each the address of its codes, its number of rows, and the place of its first row.

Compiled loops read an address without looking, so all is checked here, once, when a segment is opened.
"""

from typing import Any

import numpy as np

from index.contracts import IntArray
from index.faiss_library import library

START, SIZE, FIRST = 0, 1, 2  # rows of a list table [3, L]
BLOCK = 32  # rows that faiss stores together


def list_table(codes: Any, rows: int) -> IntArray:
    """int64 [3, L] of faiss' index of a segment's codes, valid as long as the index is.

    Raises ValueError where the lists are not all rows in their order.
    """
    faiss = library()
    lists, table = faiss.downcast_InvertedLists(codes.invlists), np.zeros((3, codes.nlist), np.int64)
    # faiss itself refuses a list whose codes are not as many as its ids: see its BlockInvertedLists.
    if (codes.bbs, lists.n_per_block, lists.block_size) != (BLOCK, BLOCK, BLOCK * ((codes.M + 1) // 2)):
        raise ValueError(f"its codes are not in blocks of {BLOCK} rows")
    first = 0
    for number in range(codes.nlist):
        if size := lists.list_size(number):
            ids = faiss.rev_swig_ptr(lists.get_ids(number), size)
            if ids[0] != first or ids[-1] != first + size - 1 or (np.diff(ids) != 1).any():
                raise ValueError("its codes are not in the order of its rows")
            table[START, number] = int(lists.get_codes(number))
        table[SIZE:, number] = size, first
        first += size
    if first != rows:
        raise ValueError(f"codes of {first} rows for {rows} rows")
    return table
