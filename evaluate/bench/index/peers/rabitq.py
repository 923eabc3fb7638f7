"""Peers over RaBitQ's codes and their kind: SymphonyQG, IVF-RaBitQ, faiss's own, LanceDB's, and turbovec."""

import math
from functools import partial
from importlib import import_module
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from weakref import finalize

import numpy as np
import pyarrow as pa

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Family, Setting, steps
from evaluate.bench.index.peers.flat import FLOAT32_BYTES, SEED, SHORTLISTS, Refined
from evaluate.bench.index.peers.graphs import DEEPEST
from index.contracts import IntArray
from index.faiss_library import library

RAW = 32  # bits that mean float32 rows in rabitqlib


class Symphony:
    """SymphonyQG (rabitqlib): a graph whose nodes have 1-bit codes of their neighbours, and rows of 32, 8 or 4 bits."""

    def __init__(self, degree: int, effort: int, bits: int = 0) -> None:
        self.degree, self.effort, self.bits = degree, effort, bits
        self.name = f"SymphonyQG R={degree} efC={effort}{f' {bits}-bit' if bits else ''}"

    def build(self, rows: FloatArray) -> None:
        self._rows, self._dim = rows.shape
        self._index: Any = import_module("rabitqlib").SymqgIndex(self._dim, self.degree, "ip", self.bits)
        self._index.build(rows, self.effort, 1)
        self._threads = 1

    def bytes_per_vector(self) -> float:
        with TemporaryDirectory() as folder:
            return float(_saved_bytes(self._index, folder) / self._rows)

    def use_threads(self, count: int) -> None:
        self._threads = count

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(10, min(DEEPEST, self._rows)))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        search = self._index.search if len(queries) == 1 else self._index.search_batch
        return _rows_of(search(queries, k, setting, self._threads)[0])


class Partitioned:
    """IVF-RaBitQ (rabitqlib): lists of codes of 4, 7 or 9 bits, or of 1 bit with float32 rows behind them."""

    def __init__(self, bits: int, share: float) -> None:
        self.bits, self.share = bits, share
        self.name = f"IVF-RaBitQ {'raw' if bits == RAW else f'{bits}-bit'}, {share:g} sqrt(n) lists"

    def build(self, rows: FloatArray) -> None:
        module = import_module("rabitqlib")
        self._rows, self._dim = rows.shape
        self._lists = max(1, round(self.share * math.sqrt(self._rows)))
        clusters = module.RaBitQKMeans(self._dim, self._lists, num_threads=1, seed=SEED)
        clusters.train(rows)
        self._index: Any = module.IvfIndex(self._dim, self._rows, self._lists, self.bits, "ip")
        self._index.build(rows, clusters.centroids, clusters.assignments, 1)
        self._threads = 1

    def bytes_per_vector(self) -> float:
        with TemporaryDirectory() as folder:
            return float(_saved_bytes(self._index, folder) / self._rows)

    def use_threads(self, count: int) -> None:
        self._threads = count

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(1, self._lists))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        return _rows_of(self._index.search(queries, k, setting, num_threads=self._threads)[0])


class FaissRabitq(Refined):
    """faiss IVF-RaBitQ fast-scan with float32 rows as its last stage."""

    def __init__(self, bits: int, share: float) -> None:
        self.bits, self.share = bits, share
        self.name = f"faiss IVF-RaBitQ {bits}-bit fast-scan, {share:g} sqrt(n) lists, refined"

    def build(self, rows: FloatArray) -> None:
        faiss = library()
        n, width = rows.shape
        lists = max(1, round(self.share * math.sqrt(n)))
        self._lists = faiss.IndexIVFRaBitQFastScan(
            faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT, 32, True, self.bits
        )
        self._lists.cp.min_points_per_centroid = 1  # no warnings
        self._lists.cp.seed = SEED
        rotation = faiss.RandomRotationMatrix(width, width)
        rotation.init(SEED)
        self._parts = faiss.IndexPreTransform(rotation, self._lists)
        self._index = faiss.IndexRefineFlat(self._parts)
        self._index.train(rows)
        self._index.add(rows)

    def bytes_per_vector(self) -> float:
        lists, n = self._lists, self._index.ntotal
        shared = lists.nlist * lists.d + self._index.d**2  # centroids, rotation
        return float(lists.code_size + 8 + shared * FLOAT32_BYTES / n + self._index.d * FLOAT32_BYTES)

    def ladders(self) -> list[list[Setting]]:
        probes = steps(1, int(self._lists.nlist))
        return [[(probe, shortlist) for probe in probes] for shortlist in SHORTLISTS]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, tuple)
        self._lists.nprobe, shortlist = setting
        return self._ranked(queries, k, shortlist)


class Turbovec:
    """turbovec: codes of 2 or 4 bits, all scanned; its hits, some more than asked, are ranked by float32 rows."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.name = f"turbovec {bits}-bit, refined"

    def build(self, rows: FloatArray) -> None:
        self._index: Any = import_module("turbovec").TurboQuantIndex(rows.shape[1], self.bits)
        some = np.random.default_rng(SEED).permutation(len(rows))[:1024]
        self._index.calibrate(rows[some])
        self._index.add(rows)
        self._index.prepare()
        self._rows = rows

    def bytes_per_vector(self) -> float:
        return float(self._rows.shape[1] * (self.bits / 8 + FLOAT32_BYTES) + FLOAT32_BYTES)

    def use_threads(self, count: int) -> None:
        """It asks the environment (RAYON_NUM_THREADS) when it is loaded; CPU time is measured either way."""

    def ladders(self) -> list[list[Setting]]:
        return [list(steps(10, min(1_000, len(self._rows))))]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, int)
        shortlist = np.asarray(self._index.search(queries, max(k, setting))[1], np.int64)
        scores = np.einsum("qd,qsd->qs", queries, self._rows[shortlist])
        best = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(shortlist, best, 1)


class Lance:
    """LanceDB IVF_RQ: a table on disk, asked through its Python client, rows ranked last."""

    def __init__(self, bits: int, share: float) -> None:
        self.bits, self.share = bits, share
        self.name = f"LanceDB IVF_RQ {bits}-bit, {share:g} sqrt(n) lists"

    def build(self, rows: FloatArray) -> None:
        module = import_module("lancedb")
        folder = mkdtemp(prefix="deglu-lance-")
        finalize(self, rmtree, folder, ignore_errors=True)
        self._rows, self._dim = rows.shape
        self._lists = max(1, round(self.share * math.sqrt(self._rows)))
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), self._dim)
        table = pa.table({"row": np.arange(self._rows), "vector": vectors})
        self._table: Any = module.connect(folder).create_table("rows", table)
        kind = import_module("lancedb.index").IvfRq(distance_type="dot", num_partitions=self._lists, num_bits=self.bits)
        self._table.create_index("vector", config=kind)

    def bytes_per_vector(self) -> float:
        return float(self._dim * (self.bits / 8 + FLOAT32_BYTES) + 8)

    def use_threads(self, count: int) -> None:
        """It asks the environment (LANCE_CPU_THREADS) when it is loaded; CPU time is measured either way."""

    def ladders(self) -> list[list[Setting]]:
        probes = steps(1, self._lists, 1.3)
        return [[(probe, times) for probe in probes] for times in (2, 5, 10, 30)]

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, tuple)
        probes, times = setting
        found = np.full((len(queries), k), -1, np.int64)
        for place, query in enumerate(queries):
            asked = self._table.search(query).distance_type("dot").nprobes(probes).refine_factor(times).limit(k)
            ids = asked.select(["row", "_distance"]).to_arrow()["row"].to_numpy()
            found[place, : len(ids)] = ids
        return found


def _rows_of(ids: Any) -> IntArray:
    """Row numbers; an empty place has the largest number there is."""
    found = np.asarray(ids)
    return np.where(found == np.iinfo(found.dtype).max, -1, found.astype(np.int64))


def _saved_bytes(index: Any, folder: str) -> float:
    """Size of the index as its library writes it: all that it needs to answer."""
    path = f"{folder}/index"
    index.save(path)
    with open(path, "rb") as file:
        return float(file.seek(0, 2))


# The builds to choose from.
FAMILIES = (
    Family(
        "SymphonyQG",
        "rabitqlib",
        tuple(partial(Symphony, *shape) for shape in ((32, 200), (32, 400), (64, 200), (32, 200, 8))),
    ),
    Family(
        "IVF-RaBitQ",
        "rabitqlib",
        tuple(partial(Partitioned, *shape) for shape in ((RAW, 1.0), (RAW, 2.0), (7, 1.0), (9, 2.0))),
    ),
    Family(
        "faiss IVF-RaBitQ fast-scan + refine",
        "faiss",
        tuple(partial(FaissRabitq, *shape) for shape in ((1, 1.0), (1, 2.0), (4, 1.0))),
    ),
    Family("turbovec", "turbovec", tuple(partial(Turbovec, bits) for bits in (2, 4))),
    Family("LanceDB IVF_RQ", "lancedb", tuple(partial(Lance, *shape) for shape in ((1, 1.0), (1, 0.5)))),
)
