"""Questions become answers: encoded, searched, and told as a table or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from embed.encoder import Batch, Encoder, Role
from embed.tables import SPEECH
from index.ask.searcher import Index, open_index
from index.contracts import NO_ID, Exclude, Hits, Modality
from index.filter import Where


@dataclass(frozen=True)
class Answer:
    """One hit, with all that is needed to play or read it."""

    rank: int  # from 1
    score: float  # cosine; for modality `any` calibrated, see index.blend
    id: int  # in this version of the index
    segment_id: str  # the same for ever, hexadecimal
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


def ask(
    index_url: str,
    encoder: Encoder,
    questions: Batch,
    k: int = 10,
    *,
    role: Role = "query",
    task: str | None = None,
    modality: Modality = "any",
    dim: int | None = None,
    recall: float | None = None,
    budget_ms: float | None = None,
    where: Where | None = None,
    exclude: Exclude | None = None,
) -> list[list[Answer]]:
    """Up to k answers for each question, best first; questions are all texts, or all speech as 16 kHz waves.

    The other wishes are those of `index.contracts.Searcher`.
    Raises FingerprintMismatch where encoder and index are not of one space, and what `open_index` raises.
    """
    index = open_index(index_url, encoder.fingerprints.space)
    queries = encoder.encode(questions, role, task)
    hits = index.search(
        queries, k, modality=modality, dim=dim, recall=recall, budget_ms=budget_ms, where=where, exclude=exclude
    )
    return answers_of(index, hits)


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


def as_table(answers: Sequence[Answer], question: str | None = None) -> Table:
    """One question's answers for a terminal."""
    table = Table(title=Text(question) if question else None, title_justify="left", box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    table.add_column("asset", overflow="fold")
    table.add_column("start - end", justify="right", no_wrap=True)
    table.add_column("text")
    for answer in answers:
        asset = f"{answer.uri} {answer.item}" if answer.item else answer.uri
        cells = [str(answer.rank), f"{answer.score:.3f}", asset, place(answer), answer.text or ""]
        # Bare strings would be read as markup, and archives have brackets in their names.
        table.add_row(*map(Text, cells))
    return table


def as_json(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One question's answers as plain JSON values."""
    return [asdict(answer) for answer in answers]


def place(answer: Answer) -> str:
    """Minutes and seconds of speech, characters of text."""
    if answer.modality == SPEECH:
        return f"{_clock(answer.start_s)} - {_clock(answer.end_s)}"
    return f"{answer.start} - {answer.end}"


def _clock(seconds: float | None) -> str:
    """75.96 is 1:16.0; tenths are rounded first, so that no second is the sixtieth."""
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
