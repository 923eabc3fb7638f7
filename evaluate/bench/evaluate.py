"""Bench of scoring: questions x documents x widths per CPU-second, next to ranx and mteb's own scorer.

Every way searches the same made-up vectors at every width and computes nDCG, recall, RR and success of each question;
their nDCG@10 must be equal.  ranx does not search: it is given numpy's hundred best.  `--n` is the number of questions
(1,000), of a hundred times as many documents.  From 1,000 on the codes of all sizes are measured too.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch

from embed.encoder import FloatArray, truncate
from embed.errors import DegluError
from evaluate.bench.command import run_one
from evaluate.bench.shape import Row, document
from evaluate.bench.timing import interleaved, one_thread
from evaluate.measures.by_dim import judged_by_dim
from evaluate.measures.names import DEPTH, NDCG
from evaluate.ranks.codings import codings_of

QUESTIONS, DOCUMENTS_PER_QUESTION = 1000, 100
WIDTHS = (384, 256, 128, 64, 32)
CUTOFFS = (1, 5, 10, 100)
UNIT = "questions x documents x widths/cpu-s"
ROUNDS = 3
BOUND_S = 300.0  # for all widths and codes of 1,000 questions and 100,000 documents, beyond encoding
PACKAGES = ("ranx", "mteb", "ir-measures", "torch")

Score = Callable[[], dict[int, float]]  # width -> mean nDCG@10


def bench(n: int | None = None) -> dict[str, Any]:
    """Rows against each peer, and the seconds of all codes.  Raises DegluError where values differ."""
    num = n or QUESTIONS
    with one_thread():
        return document("evaluate", [*scoring_rows(num), *(code_rows(num) if num >= QUESTIONS else [])], PACKAGES)


def scoring_rows(num: int) -> list[Row]:
    queries, documents = made_up(num)
    ways: dict[str, Score] = {"ours": lambda: ours(queries, documents)}
    absent: dict[str, str] = {}
    for name, peer in {"ranx": ranx, "mteb": mteb}.items():
        try:
            ways[name] = peer(queries, documents)
        except ImportError as error:
            absent[name] = f"not installed: {' '.join(str(error).split())}"
    check_equal({name: way() for name, way in ways.items()})
    work = num * len(documents) * len(WIDTHS)
    speeds = {name: work / seconds for name, seconds in interleaved(ways, ROUNDS).items()}
    what = f"{num:,} questions, {len(documents):,} documents, {len(WIDTHS)} widths"
    rows = [Row(what, name, speeds["ours"], speed, UNIT, 1.0) for name, speed in speeds.items() if name != "ours"]
    return [*rows, *(Row(what, name, speeds["ours"], None, UNIT, reason=reason) for name, reason in absent.items())]


def code_rows(num: int) -> list[Row]:
    """CPU seconds of all widths and of all codes of one system."""
    queries, documents = made_up(num)
    others = made_up(num // 20, seed=1)[1]

    def everything() -> None:
        ours(queries, documents)
        codings_of(queries, documents, np.arange(num), others)

    spent = interleaved({"ours": everything}, rounds=1)["ours"]
    what = f"all widths and codes, {num:,} questions, {len(documents):,} documents"
    return [Row(what, "the bound", spent, BOUND_S, "cpu-s", goal=1.0, lower_is_better=True)]


def made_up(num: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Unit vectors whose first dimensions vary most; each question is near one document."""
    rng = np.random.default_rng(seed)
    scale = (1 / np.sqrt(np.arange(1, WIDTHS[0] + 1))).astype(np.float32)
    documents = truncate(rng.standard_normal((num * DOCUMENTS_PER_QUESTION, WIDTHS[0]), np.float32) * scale, WIDTHS[0])
    noise = truncate(rng.standard_normal((num, WIDTHS[0]), np.float32) * scale, WIDTHS[0])
    return truncate(documents[:num] + noise, WIDTHS[0]), documents


def ours(queries: FloatArray, documents: FloatArray) -> dict[int, float]:
    found = judged_by_dim(queries, documents, np.arange(len(queries)), WIDTHS)
    return {dim: float(one.values[NDCG].mean()) for dim, one in found.items()}


def ranx(queries: FloatArray, documents: FloatArray) -> Score:
    """ranx's metrics of numpy's search.  Raises ImportError where it is not installed."""
    library: Any = import_module("ranx")
    depth = min(DEPTH, len(documents))
    names = ["ndcg@10", "ndcg@5", "recall@10", "recall@100", "mrr@10", "hit_rate@1"]
    qrels = library.Qrels({f"q{row}": {f"d{row}": 1} for row in range(len(queries))})

    def score() -> dict[int, float]:
        found = {}
        for dim in WIDTHS:
            asked, kept = truncate(queries, dim), truncate(documents, dim)
            run: dict[str, dict[str, float]] = {}
            for start in range(0, len(asked), 256):
                scores = asked[start : start + 256] @ kept.T
                best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
                for row, places in enumerate(best):
                    run[f"q{start + row}"] = {f"d{place}": float(scores[row, place]) for place in places}
            values = library.evaluate(qrels, library.Run(run), names, make_comparable=True)
            found[dim] = float(values["ndcg@10"])
        return found

    return score


def mteb(queries: FloatArray, documents: FloatArray) -> Score:
    """mteb's similarity, its top k by torch, and its scores.  Raises ImportError where it is not installed."""
    similarity: Any = import_module("mteb.similarity_functions")
    metrics: Any = import_module("mteb._evaluators.retrieval_metrics")
    qrels = {f"q{row}": {f"d{row}": 1} for row in range(len(queries))}

    def score() -> dict[int, float]:
        found = {}
        for dim in WIDTHS:
            results: dict[str, dict[str, float]] = {}
            for start in range(0, len(queries), 256):
                scores = similarity.cos_sim(queries[start : start + 256, :dim], documents[:, :dim])
                values, places = torch.topk(scores, min(DEPTH, len(documents)), dim=1)
                for row, (best, at) in enumerate(zip(values.tolist(), places.tolist(), strict=True)):
                    results[f"q{start + row}"] = {f"d{place}": one for place, one in zip(at, best, strict=True)}
            found[dim] = float(metrics.calculate_retrieval_scores(results, qrels, CUTOFFS).ndcg["NDCG@10"])
        return found

    return score


def check_equal(means: dict[str, dict[int, float]]) -> None:
    """Raises DegluError where a way's nDCG@10 differs: speeds are of equal values only."""
    for name, by_dim in means.items():
        for dim, value in by_dim.items():
            # mteb rounds to five digits.
            if abs(value - means["ours"][dim]) > 1e-4:
                raise DegluError(f"{NDCG} of {name} at {dim} dims is {value:.5f}, ours is {means['ours'][dim]:.5f}")


if __name__ == "__main__":
    sys.exit(run_one("evaluate", bench))
