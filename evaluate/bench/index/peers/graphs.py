"""Peers that walk a graph: hnswlib, faiss HNSW over 8-bit codes, usearch, and SVS Vamana."""

import json
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Family, Setting, steps
from evaluate.bench.index.peers.flat import FLOAT32_BYTES, SEED, Refined
from evaluate.bench.shape import machine
from index.contracts import IntArray
from index.faiss_library import library

DEEPEST = 3_000  # longest queue of candidates in the grids
VSAG_DEEPEST = 1_000  # its own limit; above it the answer is arbitrary
REFINED = (15, 30)


class Hnswlib:
    """hnswlib over float32."""

    def __init__(self, degree: int, effort: int) -> None:
        self.degree, self.effort = degree, effort
        self.name = f"hnswlib M={degree} efC={effort}"

    def build(self, rows: FloatArray) -> None:
        self._index: Any = import_module("hnswlib").Index(space="ip", dim=rows.shape[1])
        self._index.init_index(max_elements=len(rows), M=self.degree, ef_construction=self.effort, random_seed=SEED)
        self._index.add_items(rows, num_threads=1)
        self._threads = 1

    def bytes_per_vector(self) -> float:
        return float(self._index.index_file_size() / self._index.element_count)

    def use_threads(self, count: int) -> None:
        self._threads = count

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(10, min(DEEPEST, self._index.element_count)))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        self._index.set_ef(setting)
        return np.asarray(self._index.knn_query(queries, k, num_threads=self._threads)[0], np.int64)


class HnswCodes(Refined):
    """faiss HNSW over 8-bit codes, a shortlist ranked by float32 rows."""

    def __init__(self, degree: int, effort: int) -> None:
        self.degree, self.effort = degree, effort
        self.name = f"faiss HNSW{degree}-SQ8 efC={effort} + exact"

    def build(self, rows: FloatArray) -> None:
        faiss = library()
        kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        self._graph = faiss.IndexHNSWSQ(rows.shape[1], kind, self.degree, metric)
        self._graph.hnsw.efConstruction = self.effort
        self._index = faiss.IndexRefineFlat(self._graph)
        self._index.train(rows)
        self._index.add(rows)

    def bytes_per_vector(self) -> float:
        links = self._graph.hnsw.neighbors.size() * 4 + self._graph.hnsw.offsets.size() * 8
        return float(self._index.d * (1 + FLOAT32_BYTES) + links / self._index.ntotal)

    def ladders(self) -> list[list[Setting]]:
        depths = steps(10, min(DEEPEST, self._index.ntotal))
        return [[(depth, kept) for depth in depths if depth >= kept] for kept in REFINED if kept <= depths[-1]]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, tuple)
        self._graph.hnsw.efSearch, kept = setting
        return self._ranked(queries, k, kept)


class Usearch:
    """usearch over float16 or int8; its hits are not ranked again, as in its usual use."""

    def __init__(self, kind: str, degree: int) -> None:
        self.kind, self.degree = kind, degree
        self.name = f"usearch {kind} M={degree}"

    def build(self, rows: FloatArray) -> None:
        index = import_module("usearch.index")
        self._index: Any = index.Index(
            ndim=rows.shape[1], metric="ip", dtype=self.kind, connectivity=self.degree, expansion_add=128
        )
        self._index.add(np.arange(len(rows)), rows, threads=1)
        self._threads = 1

    def bytes_per_vector(self) -> float:
        return float(self._index.serialized_length / len(self._index))

    def use_threads(self, count: int) -> None:
        self._threads = count

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(10, min(DEEPEST, len(self._index))))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        self._index.expansion_search = setting
        asked = queries[0] if len(queries) == 1 else queries
        found = self._index.search(asked, k, threads=self._threads).keys
        return np.asarray(found, np.int64).reshape(len(queries), -1)


class Vamana:
    """SVS Vamana, with or without its set of visited nodes: which is quicker depends on the data."""

    def __init__(self, degree: int, window: int, kind: str = "float16") -> None:
        self.degree, self.window, self.kind = degree, window, kind
        self.name = f"SVS Vamana {kind} R={degree} W={window}"

    def build(self, rows: FloatArray) -> None:
        self._svs: Any = import_module("svs")
        # 0.95 is the library's own choice for inner products.
        parameters = self._svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=self.degree, window_size=self.window)
        with TemporaryDirectory() as folder:
            data = rows.astype(np.float16) if self.kind == "float16" else self._compressed(rows, folder)
            self._index = self._svs.Vamana.build(parameters, data, self._svs.DistanceType.MIP, num_threads=1)

    def bytes_per_vector(self) -> float:
        width = {"float16": 2.0, "LVQ4x8": 1.5}[self.kind]
        return float(self._index.dimensions * width + (self.degree + 1) * 4)

    def use_threads(self, count: int) -> None:
        self._index.num_threads = count

    def ladders(self) -> list[list[Setting]]:
        windows = steps(10, min(DEEPEST, self._index.size))
        return [[(window, visited) for window in windows] for visited in (False, True)]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, tuple)
        window, visited = setting
        buffer = self._svs.SearchBufferConfig(window)
        self._index.search_parameters = self._svs.VamanaSearchParameters(buffer, visited)
        return np.asarray(self._index.search(queries, k)[0], np.int64)

    def _compressed(self, rows: FloatArray, folder: str) -> Any:
        """Rows compressed by LVQ, which reads them from a file."""
        path = str(Path(folder) / "rows.fvecs")
        self._svs.write_vecs(rows, path)
        plain = self._svs.VectorDataLoader(path, self._svs.DataType.float32, dims=rows.shape[1])
        return self._svs.LVQLoader(plain, primary=4, residual=8)


class Vsag:
    """VSAG's hierarchical graph over 8-bit codes, rows of float32 ranked last."""

    def __init__(self, degree: int, effort: int) -> None:
        self.degree, self.effort = degree, effort
        self.name = f"VSAG HGraph R={degree} efC={effort} sq8"

    def build(self, rows: FloatArray) -> None:
        self._rows, self._dim = rows.shape
        plan = {
            "base_quantization_type": "sq8",
            "use_reorder": True,
            "precise_quantization_type": "fp32",
            "max_degree": self.degree,
            "ef_construction": self.effort,
            "build_thread_count": 1,
        }
        values = {"dim": self._dim, "dtype": "float32", "metric_type": "ip", "index_param": plan}
        self._index: Any = import_module("pyvsag").Index("hgraph", json.dumps(values))
        self._index.build(rows.reshape(-1), np.arange(self._rows, dtype=np.int64), self._rows, self._dim)

    def bytes_per_vector(self) -> float:
        # Its file is of no use here: it is written in blocks of 100 MB.
        return float(self._dim * (1 + FLOAT32_BYTES) + self.degree * 4 + 8)

    def use_threads(self, count: int) -> None:
        """Its Python package answers one question at a time, with one thread."""

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(10, min(VSAG_DEEPEST, self._rows)))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        depth = json.dumps({"hgraph": {"ef_search": setting}})
        found = np.full((len(queries), k), -1, np.int64)
        for place, query in enumerate(queries):
            ids = self._index.knn_search(query, k, depth)[0]
            found[place, : len(ids)] = ids
        return found


def vamana(kind: str, unusable: str | None = None) -> Family:
    shapes = ((32, 200), (64, 200))
    return Family(f"SVS Vamana {kind}", "svs", tuple(partial(Vamana, *shape, kind) for shape in shapes), unusable)


# The builds to choose from: links of a node and effort of building; 32 with an effort of 100 was never the best.
SHAPES = ((16, 100), (16, 200), (32, 200))

FAMILIES = (
    Family("hnswlib", "hnswlib", tuple(partial(Hnswlib, *shape) for shape in SHAPES)),
    Family("faiss HNSW-SQ8 + refine", "faiss", tuple(partial(HnswCodes, *shape) for shape in SHAPES)),
    *(
        Family(f"usearch {kind}", "usearch", tuple(partial(Usearch, kind, m) for m in (16, 32)))
        for kind in ("f16", "i8")
    ),
    Family("VSAG HGraph", "pyvsag", tuple(partial(Vsag, *shape) for shape in ((16, 200), (32, 200)))),
    Family("NGT-QG", "ngtpy", (), "its package cannot build a quantised graph: only NGT's own program qbg can"),
    vamana("float16"),
    # On other processors the library ends the whole process.
    vamana("LVQ4x8", None if "Intel" in machine() else "SVS has LVQ and LeanVec only for processors of Intel"),
)
