"""ScaNN: a tree of leaves, 4-bit codes of two dimensions with the anisotropic loss, float32 rows ranked last."""

import math
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Family, Setting, steps
from evaluate.bench.index.peers.flat import FLOAT32_BYTES
from index.contracts import IntArray

REORDERED = (10, 15, 20, 25, 30, 40, 50, 70, 100, 150, 250, 400)


class Scann:
    """ScaNN as its authors advise: about sqrt(n) leaves, 0.2 for the anisotropic loss, a last stage over float32.

    `share` scales the number of leaves.  `spill` puts each row in a second leaf (SOAR), added by its authors in 2023.
    """

    def __init__(self, share: float, spill: bool = False) -> None:
        self.share, self.spill = share, spill
        self.name = f"ScaNN, {share:g} sqrt(n) leaves{', SOAR' if spill else ''}"

    def build(self, rows: FloatArray) -> None:
        n, self._dim = rows.shape
        self._n, self._leaves = n, max(1, round(self.share * math.sqrt(n)))
        tree: dict[str, Any] = {"num_leaves": self._leaves, "num_leaves_to_search": 1, "training_sample_size": n}
        if self.spill:
            tree |= {"soar_lambda": 1.5, "overretrieve_factor": 1.8}
        module = import_module("scann")
        plan = module.scann_ops_pybind.builder(rows, 10, "dot_product").tree(**tree)
        plan = plan.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).set_n_training_threads(1)
        self._index = plan.build()
        self.use_threads(1)

    def bytes_per_vector(self) -> float:
        # Codes of half a byte for two dims, the row's number and its float32 row; spilled rows have two codes.
        codes = (math.ceil(self._dim / 4) + 4) * (2 if self.spill else 1)
        return float(codes + FLOAT32_BYTES * self._dim * (1 + self._leaves / self._n))

    def use_threads(self, count: int) -> None:
        self._parallel = count > 1
        self._index.set_num_threads(count)

    def ladders(self) -> list[list[Setting]]:
        leaves = steps(1, self._leaves)
        return [[(leaf, kept) for leaf in leaves] for kept in REORDERED]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, tuple)
        options = {"leaves_to_search": setting[0], "pre_reorder_num_neighbors": max(k, setting[1])}
        if len(queries) == 1:
            return _padded(self._index.search(queries[0], k, **options)[0][None], k)
        search = self._index.search_batched_parallel if self._parallel else self._index.search_batched
        return _padded(search(queries, k, **options)[0], k)


def _padded(found: Any, k: int) -> IntArray:
    """[q, k]: leaves with fewer rows than k give fewer columns."""
    ids = np.asarray(found).astype(np.int64)
    return ids if ids.shape[1] == k else np.pad(ids, ((0, 0), (0, k - ids.shape[1])), constant_values=-1)


# The builds to choose from: share of sqrt(n) leaves, and whether rows are spilled.
SHAPES = ((0.5, False), (1.0, False), (1.0, True), (2.0, False))

FAMILIES = (Family("ScaNN", "scann", tuple(partial(Scann, *shape) for shape in SHAPES)),)
