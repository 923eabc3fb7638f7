"""Peers of faiss without a graph: every row exactly, the naive Matryoshka two-stage, and 4-bit codes in lists."""

import math
from functools import partial
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Family, Setting, steps
from index.contracts import IntArray
from index.faiss_library import library

FLOAT32_BYTES = 4
PREFIXES = (64, 128)
LONGEST = 10_000  # shortlist of the naive peer; at half of that it is slower than an exact scan of 20,000 rows
SHORTLISTS = (15, 20, 30, 40, 60, 80, 120, 160, 240, 400)  # of the codes, ranked exactly
SEED = 7


class Flat:
    """faiss IndexFlatIP: the product of all rows and all queries."""

    name = "exact flat"

    def build(self, rows: FloatArray) -> None:
        self._index: Any = library().IndexFlatIP(rows.shape[1])
        self._index.add(rows)

    def bytes_per_vector(self) -> float:
        return float(self._index.d * FLOAT32_BYTES)

    def use_threads(self, count: int) -> None:
        library().omp_set_num_threads(count)

    def ladders(self) -> list[list[Setting]]:
        return [[0]]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        return np.asarray(self._index.search(queries, k)[1], np.int64)


class Refined:
    """A faiss index whose shortlist is ranked by float32 rows, all in one call of C++ (IndexRefineFlat)."""

    name: str
    _index: Any

    def use_threads(self, count: int) -> None:
        library().omp_set_num_threads(count)

    def _ranked(self, queries: FloatArray, k: int, shortlist: int) -> IntArray:
        self._index.k_factor = max(1.0, shortlist / k)
        return np.asarray(self._index.search(queries, k)[1], np.int64)


class Naive(Refined):
    """Float32 prefixes, renormalised, all scanned; a shortlist ranked exactly: the recipe of most tutorials.

    faiss runs both stages; in numpy, as in the tutorials, the second costs more.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.name = f"naive Matryoshka two-stage, {dim} dims"

    def build(self, rows: FloatArray) -> None:
        faiss = library()
        width, dim = rows.shape[1], min(self.dim, rows.shape[1])
        prefix = faiss.IndexPreTransform(faiss.NormalizationTransform(dim, 2.0), faiss.IndexFlatIP(dim))
        prefix.prepend_transform(faiss.RemapDimensionsTransform(width, dim, False))
        self._parts = prefix  # faiss keeps pointers only
        self._index = faiss.IndexRefineFlat(prefix)
        self._index.add(rows)

    def bytes_per_vector(self) -> float:
        return float((self._index.d + min(self.dim, self._index.d)) * FLOAT32_BYTES)

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(min(15, self._index.ntotal), min(LONGEST, self._index.ntotal)))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, int)
        return self._ranked(queries, k, setting)


class ListsOfCodes(Refined):
    """IVF and 4-bit fast-scan codes with an exact last stage, as autofaiss would choose.

    The number of lists is autofaiss' own, the power of two nearest to 4 sqrt(n), or a share of it.  A random rotation
    replaces its OPQ: with codes of this length, 20,000 x 384, both had the same recall at every depth tried (0.9693),
    and only OPQ's training took minutes.  Codes of residuals were no better there (0.9665), and slower.
    """

    def __init__(self, dims_per_code: int, share: float) -> None:
        self.dims_per_code, self.share = dims_per_code, share
        self.name = f"faiss IVF{share:g}, PQ d/{dims_per_code} x4fs, refined"

    def build(self, rows: FloatArray) -> None:
        faiss = library()
        n, width = rows.shape
        turned = width - width % self.dims_per_code
        lists = max(1, round(2 ** round(math.log2(4 * math.sqrt(n))) * self.share))
        self._lists = faiss.IndexIVFPQFastScan(
            faiss.IndexFlatIP(turned), turned, lists, turned // self.dims_per_code, 4, faiss.METRIC_INNER_PRODUCT
        )
        self._lists.by_residual = False
        self._lists.cp.min_points_per_centroid = self._lists.pq.cp.min_points_per_centroid = 1  # no warnings
        self._lists.cp.seed = self._lists.pq.cp.seed = SEED
        rotation = faiss.RandomRotationMatrix(width, turned)
        rotation.init(SEED)
        self._parts = faiss.IndexPreTransform(rotation, self._lists)
        self._index = faiss.IndexRefineFlat(self._parts)
        self._index.train(rows)
        self._index.add(rows)

    def bytes_per_vector(self) -> float:
        lists, n = self._lists, self._index.ntotal
        codes = lists.pq.M / 2 + 8  # and the row's number
        shared = lists.nlist * lists.d + self._index.d * lists.d  # centroids, rotation
        return float(codes + shared * FLOAT32_BYTES / n + self._index.d * FLOAT32_BYTES)

    def ladders(self) -> list[list[Setting]]:
        probes = steps(1, int(self._lists.nlist))
        return [[(probe, shortlist) for probe in probes] for shortlist in SHORTLISTS]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, tuple)
        self._lists.nprobe, shortlist = setting
        return self._ranked(queries, k, shortlist)


# The builds to choose from: dims of a code, and the share of autofaiss's lists; its full number lost by a third at
# 20,000 rows.
SHAPES = ((2, 0.5), (2, 0.25), (2, 0.125), (4, 0.25))

FAMILIES = (
    Family("exact flat", "faiss", (Flat,)),
    *(Family(f"naive Matryoshka two-stage, {dim} dims", "faiss", (partial(Naive, dim),)) for dim in PREFIXES),
    Family("faiss IVF-PQ fast-scan + refine", "faiss", tuple(partial(ListsOfCodes, *shape) for shape in SHAPES)),
)
