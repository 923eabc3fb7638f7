"""Examples of a task: questions that the first system found first, and questions whose answers it missed."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import soundfile

from embed.encoder import SAMPLE_RATE
from evaluate.measures.names import CUTOFF
from evaluate.results import Example, Task
from train.curate.clip import Clip, read_clip

MOST = 5  # of each
LONGEST_S = 15.0
Side = tuple[Sequence[str], Sequence[Clip | str]]  # ids, and what each is


def with_examples(task: Task, queries: Side, documents: Side, play: bool) -> Task:
    """The task with five questions found first and five missed (not among the first ten); recordings if `play`."""
    asked, found = (dict(zip(*side, strict=True)) for side in (queries, documents))
    run = task.systems[0].run
    ranks = {query: _rank(run[query], task.qrels[query]) for query in task.qrels}
    first = [query for query, rank in ranks.items() if rank == 1][:MOST]
    missed = [query for query, rank in ranks.items() if rank is None or rank > CUTOFF][:MOST]
    examples = [
        Example(
            _text(asked[query]),
            ranks[query],
            _text(found[next(iter(task.qrels[query]))]),
            _text(found[next(iter(run[query]))]) if run[query] else "",
            _sound(asked[query]) if play else b"",
        )
        for query in (*first, *missed)
    ]
    return replace(task, examples=tuple(examples))


def _rank(answers: Mapping[str, float], right: Mapping[str, int]) -> int | None:
    return next((rank for rank, document in enumerate(answers, start=1) if document in right), None)


def _text(content: Clip | str) -> str:
    """A text; of a recording its transcript, or its address."""
    return content if isinstance(content, str) else content.text or content.uri


def _sound(content: Clip | str) -> bytes:
    """The first seconds of a recording as Ogg Vorbis; nothing of a text."""
    if isinstance(content, str):
        return b""
    buffer = io.BytesIO()
    soundfile.write(buffer, read_clip(content)[: int(LONGEST_S * SAMPLE_RATE)], SAMPLE_RATE, format="OGG")
    return buffer.getvalue()
