"""Needs of questions: how deep a search must go for each true neighbour, from one pass over the rows and one scan.

For each true neighbour two numbers say whether a search finds it: the depth at which its list is read, and its place
among the candidates of a scan.  So the recall of every depth and shortlist, for any number of hits and any filter, is
counted without another search, and the same rows give the same numbers.

Letters in shapes: q questions, L lists, c candidates, k hits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from index.contracts import NO_ID, IntArray
from index.rungs.shelf import Shelf

NEVER = 1e6  # depth of a neighbour that does not exist
CHUNK = 512  # questions at once: a megabyte of candidates


@dataclass(frozen=True)
class Needs:
    """Of each question's candidates and true neighbours, with the places in descending order of their codes."""

    candidates: FloatArray  # [q, c], depth at which each candidate's list is read; NEVER where the scan gave fewer
    true: FloatArray  # [q, k], the same of each true neighbour, nearest first; NEVER where there are fewer
    places: IntArray  # [q, k], place of each true neighbour among the candidates; c where it is not one
    read: FloatArray  # [q, L], depth at which each list is read
    sizes: IntArray  # [L], rows in each list

    @property
    def num_true(self) -> IntArray:
        """[q]"""
        counts: IntArray = (self.true < NEVER).sum(axis=1)
        return counts

    def found(self, depth: float, shortlists: NDArray[Any], k: int) -> FloatArray:
        """[q, shortlists]: the share of the k nearest that a search to this depth finds."""
        true, places = self.true[:, :k], self.places[:, :k]
        read = self.candidates <= depth
        # Candidates of unread lists do not compete: a place among those that are read is lower.
        before = np.concatenate([np.zeros((len(read), 1), np.int32), np.cumsum(read, axis=1, dtype=np.int32)], axis=1)
        place = np.take_along_axis(before, np.minimum(places, read.shape[1]), axis=1)
        place = np.where((true <= depth) & (places < read.shape[1]), place, np.iinfo(np.int32).max)
        counts = np.minimum(self.num_true, k)[:, None]
        hits = (place[:, None, :] < np.asarray(shortlists)[None, :, None]).sum(axis=2)
        return np.where(counts > 0, hits / np.maximum(counts, 1), 1.0).astype(np.float32)

    def reading(self, depth: float) -> tuple[float, float]:
        """Mean number of rows and of lists that are read at a depth."""
        lists = self.read <= depth
        return float((lists @ self.sizes).mean()), float(lists.sum(axis=1).mean())

    def some(self, which: IntArray) -> "Needs":
        return Needs(self.candidates[which], self.true[which], self.places[which], self.read[which], self.sizes)


def needs_of(shelf: Shelf, queries: FloatArray, true: IntArray, own: IntArray, count: int, kept: Any = None) -> Needs:
    """Needs of unit queries [q, D], zero after their width, over a shelf of one segment.

    true [q, k] positions, -1 for none; own [q] the position that is no answer, or -1; count candidates; `kept` as in
    `index.rungs.shelf.ShelfRequest`: then depths are without the slope, which `shelf.log_share` gives.
    """
    segment = shelf.segments[0]
    lists, count = segment.lists(), min(count + 1, shelf.rows)
    read = shelf.depths(queries, kept)
    candidates, places = [], []
    for first in range(0, len(queries), CHUNK):
        here = slice(first, first + CHUNK)
        found = _scanned(shelf, queries[here], own[here], count, kept)
        places.append(_places(found, true[here]))
        candidates.append(_depths(read[here], lists, found))
    return Needs(np.vstack(candidates), _depths(read, lists, true), np.vstack(places), read, segment.list_sizes())


def _scanned(shelf: Shelf, queries: FloatArray, own: IntArray, count: int, kept: Any) -> IntArray:
    """The best candidates of all lists [q, count - 1], without the question's own row."""
    found = shelf.candidates(queries, *shelf.every_list(queries), count, kept)
    found = np.where(found == own[:, None], NO_ID, found)
    order = np.argsort(found == NO_ID, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)[:, : count - 1]


def _places(found: IntArray, true: IntArray) -> IntArray:
    """[q, k]: the place of each true row in found [q, c]; c where it is not there."""
    places = np.full(true.shape, found.shape[1], np.int64)
    for row, (some, wanted) in enumerate(zip(found, true, strict=True)):
        order = np.argsort(some, kind="stable")
        at = np.minimum(np.searchsorted(some, wanted, sorter=order), len(some) - 1)
        is_there = (some[order[at]] == wanted) & (wanted != NO_ID)
        places[row, is_there] = order[at[is_there]]
    return places


def _depths(read: FloatArray, lists: NDArray[np.int32], rows: IntArray) -> FloatArray:
    """[q, c]: the depth at which each row's list is read; NEVER for none."""
    depths = np.take_along_axis(read, lists[np.maximum(rows, 0)].astype(np.int64), axis=1)
    return np.where(rows == NO_ID, NEVER, depths).astype(np.float32)
