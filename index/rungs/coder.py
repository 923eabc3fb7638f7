"""Coder: lists and 4-bit codes, trained once on a sample and shared by all shards, so that shards can be merged.

A row's code is its difference to the middle of its list, cut into M groups of dims, each group replaced by the nearest
of 16 points.  Two choices make these codes good:

- dims are distributed to the groups so that each has about the same product of variances.  A vector whose energy falls
  along its dims would otherwise use half its bits for noise; a rotation does the same, but costs a product per query.
- the 16 points of a group are multiplied by `gains` in a search: a mean of many rows is shorter than the rows, by a
  factor that differs from group to group, so scores of different lists could not be compared without gains.

Measured on 50,000 transformer vectors of width 384, 256 lists, 1 bit a dim: share of the true ten best among the 100
best by code .938 as faiss trains it, .975 with gains for rotated rows, .980 with both (mean of two kinds of query).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.errors import StorageError
from index.contracts import IntArray
from index.faiss_library import library, single_thread
from index.neighbours import unit_rows
from index.parts.artifact import CENTROIDS, CODEBOOK, GAINS, ORDER

POINTS = 16  # of a 4-bit code
CHUNK = 16_384
LIST_STEPS, CODE_STEPS = 10, 8  # more steps gave no gain at 50,000 rows
ROWS_PER_LIST = 128  # of the sample, for the lists' middles
CODE_ROWS = 20_000  # of the sample, for the codebook
SEED = 1


@dataclass(frozen=True)
class Coder:
    """Letters: L lists, d code width, M groups, D full width."""

    centroids: FloatArray  # [L, d], in the order of `order`
    codebook: FloatArray  # [M, 16, d / M]
    gains: FloatArray  # [M]
    order: IntArray  # [d], which dims of a row

    @property
    def lists(self) -> int:
        return len(self.centroids)

    def middles(self, width: int) -> FloatArray:
        """The lists' middles [L, width] in the order of a row's own dims; dims without a code are 0."""
        rows = np.zeros((self.lists, width), np.float32)
        rows[:, self.order] = self.centroids
        return rows

    def lists_of(self, rows: NDArray[Any]) -> NDArray[np.int32]:
        """The nearest list of each row [n, D]: int32 [n]."""
        found = [np.argmax(some @ self.centroids.T, axis=1) for some in self._chunks(rows)]
        return np.concatenate([np.empty(0, np.int64), *found]).astype(np.int32)

    def codes(self, chunks: Iterable[NDArray[Any]], lists: NDArray[np.int32]) -> Any:
        """The faiss index of rows in chunks [n', D], sorted by their lists (`lists`, ascending); ids 0..n-1."""
        index, done = self._empty(), 0
        faiss = library()
        with single_thread():
            for chunk in chunks:
                for rows in self._chunks(chunk):
                    here = lists[done : done + len(rows)].astype(np.int64)
                    ids = np.arange(done, done + len(rows), dtype=np.int64)
                    pointers = (faiss.swig_ptr(values) for values in (rows, ids, here))
                    index.add_core(len(rows), *pointers)
                    done += len(rows)
            packed = faiss.IndexIVFPQFastScan(index)
        _own_quantizer(packed, self.centroids)
        _set_codebook(packed, self.codebook * self.gains[:, None, None])
        return packed

    def error(self, rows: NDArray[Any], lists: NDArray[np.int32]) -> float:
        """Mean squared error of the codes, over the mean square of the differences that they encode; 0 is no error."""
        lost = whole = 0.0
        done = 0
        for some in self._chunks(rows):
            rest = some - self.centroids[lists[done : done + len(some)]]
            lost += float(((rest - self._decoded(rest)) ** 2).sum())
            whole += float((rest**2).sum())
            done += len(some)
        return lost / whole if whole else 0.0

    def _chunks(self, rows: NDArray[Any]) -> Iterable[FloatArray]:
        """Unit rows in the coder's order of dims."""
        width = len(self.order)
        for first in range(0, len(rows), CHUNK):
            yield np.ascontiguousarray(unit_rows(rows[first : first + CHUNK], width)[:, self.order])

    def _decoded(self, rest: FloatArray) -> FloatArray:
        return _nearest_points(rest, self.codebook)[1].reshape(rest.shape)

    def _empty(self) -> Any:
        """faiss' plain index with these lists, without rows; it accepts rows of known lists, and can be packed."""
        faiss = library()
        lists, dim = self.centroids.shape
        quantizer = faiss.IndexFlatIP(dim)
        index = faiss.IndexIVFPQ(quantizer, dim, lists, len(self.codebook), 4, faiss.METRIC_INNER_PRODUCT)
        _own_quantizer(index, self.centroids)
        index.by_residual = True
        index.use_precomputed_table = -1  # the table only speeds up searches, and this index is never searched
        index.is_trained = True
        _set_codebook(index, self.codebook)
        return index


def train_coder(sample: NDArray[Any], lists: int, dim: int, subspaces: int) -> Coder:
    """A coder from sample rows [n, D] in random order; the same rows give the same coder.

    With fewer rows than lists, as many lists as rows.
    """
    rows = unit_rows(sample, dim)
    order = balanced(rows.var(axis=0), subspaces)
    rows = np.ascontiguousarray(rows[:, order])
    with single_thread():
        centroids = _middles(rows, min(lists, len(rows)))
        near = np.argmax(rows[:CODE_ROWS] @ centroids.T, axis=1)
        rest = rows[:CODE_ROWS] - centroids[near]
        codebook = _codebook(rest, subspaces)
    return Coder(centroids, codebook, _gains(rest, codebook), order)


def balanced(variances: FloatArray, subspaces: int) -> IntArray:
    """An order of dims whose `subspaces` equal stretches have about equal products of variances.

    The dims of largest variance are distributed first, each to the stretch with the smallest product.
    """
    per = len(variances) // subspaces
    groups: list[list[int]] = [[] for _ in range(subspaces)]
    # Above zero for every dim, so that a group with fewer dims has the smaller sum.
    logs = np.log(np.maximum(variances, 1e-12)) - np.log(1e-12) + 1
    sums = np.zeros(subspaces)
    for dim in np.argsort(-variances, kind="stable"):
        group = int(np.argmin(sums))
        groups[group].append(int(dim))
        sums[group] = np.inf if len(groups[group]) == per else sums[group] + logs[dim]
    return np.array([dim for group in groups for dim in group], np.int64)


def save_coder(coder: Coder, folder: Path) -> None:
    """Write the coder's files into an empty folder."""
    for name, values in _files(coder).items():
        np.save(folder / name, values, allow_pickle=False)


def load_coder(folder: Path) -> Coder:
    """The coder that `save_coder` wrote.  Raises StorageError for files that cannot be read."""
    try:
        coder = Coder(*(np.load(folder / name, allow_pickle=False) for name in (CENTROIDS, CODEBOOK, GAINS, ORDER)))
        _check(coder)
    except (ValueError, OSError) as error:
        raise StorageError(f"{folder}: unreadable coder ({error}); build the index again") from None
    return coder


def _check(coder: Coder) -> None:
    """Raises ValueError where the arrays are not those of one coder."""
    files = _files(coder)
    for name, values in files.items():
        if values.dtype != (np.int64 if name == ORDER else np.float32) or not np.isfinite(values).all():
            raise ValueError(f"{name} is {values.dtype}, or has values that are not finite")
    shapes = {name: values.shape for name, values in files.items()}
    groups, dims = coder.gains.size, coder.order.size
    wanted = (coder.centroids.size // max(dims, 1), dims), (groups, POINTS, dims // max(groups, 1)), (groups,), (dims,)
    if not dims or not groups or dims % groups or tuple(shapes.values()) != wanted:
        raise ValueError(f"the shapes of its files do not fit: {shapes}")


def _files(coder: Coder) -> dict[str, NDArray[Any]]:
    return {CENTROIDS: coder.centroids, CODEBOOK: coder.codebook, GAINS: coder.gains, ORDER: coder.order}


def _own_quantizer(index: Any, centroids: FloatArray) -> None:
    """Give the index a quantizer that lives as long as it does."""
    quantizer = library().IndexFlatIP(centroids.shape[1])
    quantizer.add(centroids)
    quantizer.this.disown()
    index.quantizer, index.own_fields = quantizer, True


def _set_codebook(index: Any, points: FloatArray) -> None:
    library().copy_array_to_vector(np.ascontiguousarray(points, np.float32).ravel(), index.pq.centroids)


def _middles(rows: FloatArray, lists: int) -> FloatArray:
    faiss = library()
    most = lists * ROWS_PER_LIST
    means = faiss.Kmeans(
        rows.shape[1], lists, niter=LIST_STEPS, spherical=True, seed=SEED, min_points_per_centroid=1,
        max_points_per_centroid=ROWS_PER_LIST,
    )  # fmt: skip
    means.train(rows[:most])
    centroids: FloatArray = means.centroids.astype(np.float32)
    return centroids


def _codebook(rest: FloatArray, subspaces: int) -> FloatArray:
    """[M, 16, d / M], by k-means of each group; a sample of fewer than 16 rows is repeated."""
    faiss = library()
    if len(rest) < POINTS:
        rest = np.resize(rest, (POINTS, rest.shape[1]))
    quantizer = faiss.ProductQuantizer(rest.shape[1], subspaces, 4)
    quantizer.cp.niter, quantizer.cp.seed, quantizer.cp.min_points_per_centroid = CODE_STEPS, SEED, 1
    quantizer.train(np.ascontiguousarray(rest))
    points: FloatArray = faiss.vector_to_array(quantizer.centroids).reshape(subspaces, POINTS, -1).copy()
    return points


def _gains(rest: FloatArray, codebook: FloatArray) -> FloatArray:
    groups, points = _nearest_points(rest, codebook)
    whole, kept = (groups**2).sum(axis=(0, 2)), (points**2).sum(axis=(0, 2))
    return np.where(kept > 0, whole / np.maximum(kept, 1e-30), 1.0).astype(np.float32)


def _nearest_points(rest: FloatArray, codebook: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The groups of rows [n, d], and for each group the nearest point: both [n, M, d / M]."""
    groups = rest.reshape(len(rest), len(codebook), -1)
    # |p|^2 - 2 p g is least at the nearest point.
    distance = (codebook**2).sum(axis=2)[None] - 2 * np.einsum("nmd,mpd->nmp", groups, codebook, optimize=True)
    code = distance.argmin(axis=2)
    return groups, codebook[np.arange(len(codebook))[None], code]
