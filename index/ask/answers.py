"""Answers: questions are encoded and searched, and each hit carries all that is needed to play or read it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embed.encoder import Encoder, FloatArray
from embed.tables import SPEECH
from index.ask.questions import Decode, Question, encoded
from index.ask.searcher import Index, check_space
from index.contracts import NO_ID, Explanation, Hits, SearchRequest


@dataclass(frozen=True)
class Answer:
    """One hit, with all that is needed to play or read it."""

    rank: int  # from 1
    score: float  # cosine; for modality `any` calibrated, see index.calibration.blend
    id: int  # in this version of the index
    segment_id: str  # the same in every version, hexadecimal
    modality: str
    uri: str
    start_s: float | None  # speech
    end_s: float | None
    start: int | None  # text, characters
    end: int | None
    item: str | None
    lang: str | None
    text: str | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class Answers:
    """The answers to q questions, and the cost of finding them."""

    lists: list[list[Answer]]  # for each question, best first
    vectors: FloatArray  # [q, D], the questions encoded
    encode_s: float
    explanation: Explanation | None  # of the search, where the request asks for one


def ask(
    index: Index,
    encoder: Encoder | None,
    questions: Sequence[Question],
    request: SearchRequest,
    decode: Decode | None = None,
) -> Answers:
    """Up to `request.k` answers to each question.

    encoder  of the index's space; None where every question is a vector
    decode   reads recordings, where questions name them by url

    Raises FingerprintMismatch where encoder and index are not of one space, SpecError and InputError as
    `index.ask.questions.encoded` and `index.contracts.Searcher.search` do.

    >>> import deglu
    >>> index, encoder = deglu.open_index("build/index"), deglu.load_encoder("model")
    >>> questions = [deglu.Question(text="the price of rice"), deglu.Question(audio="archive/voice.wav")]
    >>> request = deglu.SearchRequest(k=3, modality="text")
    >>> found = deglu.ask(index, encoder, questions, request, deglu.decoder_for(encoder))
    >>> len(found.lists), {answer.modality for answer in found.lists[0]}
    (2, {'text'})
    """
    if encoder is not None:
        check_space(index.url, index.manifest, encoder.fingerprints.space)
    began = time.perf_counter()
    vectors = encoded(questions, index.dims[0], encoder, decode)
    encode_s = time.perf_counter() - began
    hits = index.search(vectors, request)
    return Answers(answers_of(index, hits), vectors, encode_s, hits.explanation)


def answers_of(index: Index, hits: Hits) -> list[list[Answer]]:
    """The hits of an index with their provenance; empty places are left out."""
    found = hits.ids != NO_ID
    rows = iter(index.rows(hits.ids[found]).to_pylist())
    return [
        [
            _answer(rank, score, identity, next(rows))
            for rank, (score, identity) in enumerate(zip(scores[here], ids[here], strict=True), start=1)
        ]
        for scores, ids, here in zip(hits.scores, hits.ids, found, strict=True)
    ]


def as_json(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One question's answers as plain JSON values."""
    return [asdict(answer) for answer in answers]


def place(answer: Answer) -> str:
    """Minutes and seconds of speech, characters of text."""
    return clock_times(answer) or characters(answer)


def clock_times(answer: Answer) -> str:
    """`1:15.0 - 1:16.0`, minutes and seconds of speech; empty for text."""
    return f"{_clock(answer.start_s)} - {_clock(answer.end_s)}" if answer.modality == SPEECH else ""


def characters(answer: Answer) -> str:
    """`0 - 25`, the characters of a text; empty for speech."""
    return "" if answer.modality == SPEECH else f"{answer.start} - {answer.end}"


def _clock(seconds: float | None) -> str:
    """75.96 is 1:16.0; tenths are rounded first, so that seconds never reach 60."""
    minutes, tenths = divmod(round((seconds or 0.0) * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"


def _answer(rank: int, score: np.float32, identity: np.int64, row: dict[str, Any]) -> Answer:
    return Answer(
        rank=rank,
        score=round(float(score), 6),
        id=int(identity),
        segment_id=row["segment_id"].hex(),
        metadata=dict(row["metadata"] or ()),
        **{name: row[name] for name in ("modality", "uri", "start_s", "end_s", "start", "end", "item", "lang", "text")},
    )
