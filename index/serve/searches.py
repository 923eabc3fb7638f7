"""Searches of the service: a question, encoded with others, asked of one index on behalf of a caller."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from embed.encoder import FloatArray
from embed.errors import InputError
from index.ask.answers import Answer as Found
from index.ask.answers import answers_of
from index.contracts import NO_ID, Explanation, SearchRequest
from index.serve import shapes
from index.serve.access import Caller
from index.serve.gathering import Encoded, Gatherer
from index.serve.holdings import Holding
from index.serve.problems import Problem
from index.serve.settings import Settings

HIDDEN = "this index has rows that you may not see, so what a search reads is not shown"


@dataclass(frozen=True)
class Question:
    """One question in one of its forms."""

    text: str | None = None
    speech: FloatArray | None = None
    vector: Sequence[float] | None = None
    segment_id: str | None = None


async def answers(
    holding: Holding,
    gatherer: Gatherer,
    questions: Sequence[Question],
    request: shapes.Request,
    caller: Caller,
    settings: Settings,
) -> list[shapes.Answer]:
    """An answer to each question.  Raises Problem, InputError or SpecError that says what is wrong."""
    if request.k > settings.most_hits:
        raise Problem(422, f"k: at most {settings.most_hits} hits")
    if len(questions) > settings.most_questions:
        raise Problem(422, f"questions: at most {settings.most_questions} at once")
    encoded = await _encoded(holding, gatherer, questions, caller, settings)
    own = [[bytes.fromhex(one.segment_id)] if one.segment_id else [] for one in questions]
    made = await asyncio.to_thread(_request, holding, request, caller, own, settings)
    vectors = np.stack([one.vector for one in encoded])
    began = time.perf_counter()
    hits = await asyncio.to_thread(holding.index.search, vectors, made)
    search_ms = (time.perf_counter() - began) * 1000 / len(questions)
    found = await asyncio.to_thread(answers_of, holding.index, hits)
    promised = made.recall if made.budget_ms is None else None
    explained = await asyncio.to_thread(_explained, hits.explanation, holding, caller)
    scale: Literal["calibrated", "cosine"] = "calibrated" if holding.index.is_calibrated(made.modality) else "cosine"
    return [
        shapes.Answer(
            index=holding.name,
            version=holding.version,
            hits=[_hit(answer, some) for answer in some],
            scale=scale,
            costs=shapes.Costs(wait_ms=_ms(one.wait_s), encode_ms=_ms(one.encode_s), search_ms=round(search_ms, 3)),
            promised_recall=promised,
            explain=explained,
        )
        for one, some in zip(encoded, found, strict=True)
    ]


def segment_of(holding: Holding, segment_id: str, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Id and provenance of a row that the caller may see.  Raises Problem where there is none."""
    (identity,) = holding.index.ids([bytes.fromhex(segment_id)])
    if identity != NO_ID:
        (row,) = holding.index.rows([int(identity)]).to_pylist()
        row["metadata"] = dict(row["metadata"] or ())
        if caller.may_see(row["metadata"]):
            return int(identity), row
    raise Problem(404, "no segment of this version of the index has this id; take one from a hit")


def segment_shape(row: dict[str, Any]) -> dict[str, Any]:
    """A row of provenance as the fields of `shapes.Segment`."""
    names = ("modality", "uri", "start_s", "end_s", "start", "end", "item", "lang", "text")
    metadata = row["metadata"]
    return {
        "segment_id": row["segment_id"].hex(),
        "title": metadata.get("title"),
        "date": metadata.get("date"),
        "metadata": metadata,
        **{name: row[name] for name in names},
    }


async def _encoded(
    holding: Holding, gatherer: Gatherer, questions: Sequence[Question], caller: Caller, settings: Settings
) -> list[Encoded]:
    ready = await asyncio.gather(*(_one(holding, gatherer, one, caller, settings) for one in questions))
    return list(ready)


async def _one(holding: Holding, gatherer: Gatherer, question: Question, caller: Caller, settings: Settings) -> Encoded:
    if question.text is not None:
        if not question.text.strip():
            raise Problem(422, "text: has no words")
        if len(question.text) > settings.most_characters:
            raise Problem(422, f"text: at most {settings.most_characters} characters")
        return await gatherer.encode(question.text)
    if question.speech is not None:
        return await gatherer.encode(question.speech)
    width = holding.index.dims[0]
    if question.vector is not None:
        vector = np.asarray(question.vector, np.float32)
        if vector.shape != (width,):
            raise InputError(f"vector: has {len(question.vector)} values; this index takes {width}")
        return Encoded(vector, 0.0, 0.0, 1)
    assert question.segment_id is not None
    identity, _ = await asyncio.to_thread(segment_of, holding, question.segment_id, caller)
    return Encoded((await asyncio.to_thread(holding.index.vectors, [identity]))[0], 0.0, 0.0, 1)


def _request(
    holding: Holding, asked: shapes.Request, caller: Caller, own: Sequence[Sequence[bytes]], settings: Settings
) -> SearchRequest:
    """The search; a segment is not among the hits that are like it."""
    hidden = [bytes.fromhex(one) for one in asked.exclude]
    exclude = [holding.index.ids([*hidden, *mine]) for mine in own]
    by_default = asked.recall is None and asked.budget_ms is None
    promise = settings.recall or holding.index.manifest.spec.recall
    return SearchRequest(
        k=asked.k,
        modality=asked.modality,
        dim=asked.dim,
        recall=promise if by_default else asked.recall,
        budget_ms=asked.budget_ms,
        where=caller.where(asked.where, holding.restricted),
        exclude=[ids[ids != NO_ID] for ids in exclude] if any(map(len, exclude)) else None,
        explain=asked.explain,
    )


def _hit(answer: Found, every: Sequence[Found]) -> shapes.Hit:
    names = ("modality", "uri", "start_s", "end_s", "start", "end", "item", "lang", "text", "metadata", "segment_id")
    return shapes.Hit(
        rank=answer.rank,
        score=answer.score,
        margin=round(answer.score - every[-1].score, 6),
        title=answer.metadata.get("title"),
        date=answer.metadata.get("date"),
        **{name: getattr(answer, name) for name in names},
    )


def _explained(explanation: Explanation | None, holding: Holding, caller: Caller) -> dict[str, Any] | None:
    if explanation is None:
        return None
    if not holding.sees_all(caller):  # what was read shows how many rows there are
        return {"queries": explanation.queries, "stages": [], "why": [HIDDEN]}
    stages = [
        {
            "modality": one.modality,
            "stage": one.stage,
            "dim": one.dim,
            "rows": one.rows,
            "bytes": one.bytes,
            "ms": _ms(one.seconds),
        }
        for one in explanation.stages
    ]
    return {"queries": explanation.queries, "stages": stages, "why": list(explanation.why)}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
