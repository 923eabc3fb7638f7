"""Situations of the promise's bench: indexes whole, appended to and deleted from, filters, numbers of hits, widths.

A situation is asked with questions of all kinds, and its recall is counted against all rows that may be hits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.encoder import FloatArray
from evaluate.bench.index.made_up import SPACE, table_of
from evaluate.bench.promise.questions import PASSAGES, SPANS, SPOKEN, WORDS, Asked
from index import live
from index.ask.searcher import Index, open_index
from index.building.build import build
from index.calibration.truth import recalls, true_nearest
from index.contracts import NO_ID, Hits, IntArray, Mask, SearchRequest
from index.filter import Where, parse_where
from index.parts.artifact import Lineage
from index.spec import IndexSpec
from index.table_vectors import TableVectors

PROMISES = (0.95, 0.99, 0.999)
KS = (1, 3, 30, 50, 100)
KEPT = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9, 0.99)
APPENDED = (0.1, 0.5, 1.0, 3.0)  # of the rows before
BLOCK = 500  # questions compared with all rows at once


@dataclass(frozen=True)
class Situation:
    name: str
    index: Index
    numbers: IntArray  # [rows of the index], the row number of each id
    may: Mask  # [n], rows of the data that may be hits
    kinds: tuple[str, ...]
    k: int = 10
    dim: int | None = None
    where: Where | None = None


def situations(data: Asked, folder: Path) -> Iterator[Situation]:
    """All situations; the indexes are made below `folder`, each when it is reached."""
    kinds, every = tuple(data.questions), np.ones(len(data.rows), bool)
    whole = _built(data, every, folder / "whole")
    usual = Situation("all rows", whole, _numbers(whole), every, kinds)
    yield usual
    some = tuple(kind for kind in (PASSAGES, SPANS, WORDS, SPOKEN) if kind in kinds)
    yield from (replace(usual, name=f"k = {k}", kinds=some, k=k) for k in KS)
    few = tuple(kind for kind in (SPANS, WORDS) if kind in kinds)
    yield from (replace(usual, name=f"dim {dim}", kinds=few, dim=dim) for dim in data.dims[1:])
    for name, condition, may in filters(data):
        yield replace(usual, name=f"where {name}", where=parse_where(condition), may=may)
    yield replace(usual, name="k = 50, where lang = 'en'", k=50, where=parse_where("lang = 'en'"), may=_is(data, "en"))
    for share in APPENDED:
        yield _appended(data, folder / f"append-{share}", [share], kinds)
    yield _appended(data, folder / "append-twice", [0.3, 0.5], kinds)
    yield from _deleted(data, folder / "deleted", kinds)


def filters(data: Asked) -> Iterator[tuple[str, str, Mask]]:
    """Names, conditions and masks: rows at random, and one side of the space: a language, a topic."""
    for share in KEPT:
        yield f"{100 * share:g} % at random", f"metadata['draw'] < '{share:.6f}'", _draw(data) < share
    for lang in ("en", "fr"):
        yield f"lang = '{lang}'", f"lang = '{lang}'", _is(data, lang)
    yield "lang <> 'en'", "lang <> 'en'", ~_is(data, "en")
    side = _side(data)
    for share in (0.5, 0.1):
        limit = f"{np.quantile(side, 1 - share):.6f}"
        yield f"{100 * share:g} % of one topic", f"metadata['side'] >= '{limit}'", np.round(side, 6) >= float(limit)


def found(data: Asked, situation: Situation, kind: str, promise: float) -> FloatArray:
    """[q]: the recall of each question."""
    index, queries = situation.index, data.questions[kind]
    request = SearchRequest(situation.k, "text", dim=situation.dim, recall=promise, where=situation.where)
    hits = index.search(queries, request)
    ids = np.where(hits.ids == NO_ID, NO_ID, situation.numbers[hits.ids])
    dim = situation.dim or index.dims[0]
    places = np.flatnonzero(situation.may)
    no_one = np.full(len(queries), NO_ID)
    true = _truth(queries, data.rows[places].astype(np.float16), situation.k, dim)
    return recalls(Hits(ids, hits.scores), true, no_one)


def _truth(queries: FloatArray, rows: FloatArray, k: int, dim: int) -> Hits:
    return true_nearest(queries, rows, min(k, len(rows)), dim, np.full(len(queries), NO_ID))


def _built(data: Asked, which: Mask, folder: Path) -> Index:
    build(_spec(folder), vectors_of(data, which), _lineage(), encode=data.encode)
    return open_index(str(folder))


def vectors_of(data: Asked, which: Mask) -> TableVectors:
    """The dataset of these rows; a row has the same segment_id in all of them."""
    columns = {
        "lang": pa.array(data.langs),
        "text": pa.array(data.texts),
        "metadata": pa.array(
            [
                [("draw", f"{draw:.6f}"), ("side", f"{side:.6f}")]
                for draw, side in zip(_draw(data), _side(data), strict=True)
            ],
            pa.map_(pa.string(), pa.string()),
        ),
    }
    table = table_of(data.rows)
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), values.cast(table.schema.field(name).type))
    return TableVectors(table.filter(pa.array(which)), data.dims, SPACE)


def _appended(data: Asked, folder: Path, shares: Sequence[float], kinds: tuple[str, ...]) -> Situation:
    """Built over a part of the rows, then appended to, by each share of the rows before."""
    rows = len(data.rows)
    first = int(rows / np.prod([1 + share for share in shares]))
    order = np.random.default_rng(3).permutation(rows)
    which = np.zeros(rows, bool)
    which[order[:first]] = True
    _built(data, which, folder)
    for share in shares:
        which[order[: min(rows, round(int(which.sum()) * (1 + share)))]] = True
        live.append(str(folder), vectors_of(data, which), _lineage())
        live.merge(str(folder))
    name = " and ".join(f"{100 * share:g} %" for share in shares)
    index = open_index(str(folder))
    return Situation(f"{name} appended", index, _numbers(index), which, kinds)


def _deleted(data: Asked, folder: Path, kinds: tuple[str, ...]) -> Iterator[Situation]:
    every = np.ones(len(data.rows), bool)
    _built(data, every, folder)
    live.delete(str(folder), parse_where("lang = 'fr' or lang = 'de' or metadata['draw'] < '0.200000'"))
    may = ~_is(data, "fr") & ~_is(data, "de") & (_draw(data) >= 0.2)
    index = open_index(str(folder))
    yield Situation("two languages and a fifth deleted", index, _numbers(index), may, kinds)
    live.compact(str(folder))
    index = open_index(str(folder))
    yield Situation("the same, compacted", index, _numbers(index), may, kinds)


def _spec(folder: Path) -> IndexSpec:
    return IndexSpec(vectors="promise", output=str(folder), ladder="coded")


def _lineage() -> Lineage:
    return Lineage(url="promise", version=1, sha256=None, settings={})


def _numbers(index: Index) -> IntArray:
    """The row number of each id; ids that are no longer used have -1."""
    last = max(entry.first_id + entry.rows for entry in index.manifest.segments)
    numbers = np.full(last, NO_ID)
    for entry in index.manifest.segments:
        ids = np.arange(entry.first_id, entry.first_id + entry.rows)
        numbers[ids] = [int(uri.rpartition("/")[2]) for uri in index.rows(ids)["uri"].to_pylist()]
    return numbers


def _is(data: Asked, lang: str) -> Mask:
    same: Mask = np.array(data.langs) == lang
    return same


def _draw(data: Asked) -> NDArray[np.float64]:
    """[n]: between 0 and 1 at random, of six digits as the metadata have it."""
    return np.round(np.random.default_rng(5).random(len(data.rows)), 6)


def _side(data: Asked) -> NDArray[np.float64]:
    """[n]: above 0, how far each row lies towards a passage chosen at random."""
    towards: NDArray[np.float64] = (data.rows @ data.rows[len(data.rows) // 3]).astype(np.float64)
    return np.round(1 + towards, 6)
