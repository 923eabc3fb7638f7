"""Questions of the demo, with the rows that are known to answer each, and the scores of a search for them.

Spoken French is asked of texts, French and English mixed: the right answer is the prompt's own text in the one
language, and in the other; each counts as a question.  Typed English is asked of French speech: a right answer is a
segment that covers at least half of the known span.  Segments overlap, so only the first right row counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from embed.encoder import Encoder, FloatArray
from embed.tables import SPEECH, TEXT
from evaluate.measures.bootstrap import interval
from evaluate.measures.by_dim import judged_by_dim
from evaluate.measures.metrics import IntArray, Values
from evaluate.measures.names import CUTOFF, NDCG, RECALL
from evaluate.results import Interval
from index.contracts import Modality
from jobs.demo.demo_material import SENTENCES, Broadcast, Material
from train.curate.clip import read_clip, words

SPOKEN, TYPED = "spoken", "typed"


@dataclass(frozen=True)
class Group:
    """Questions of one kind, encoded, with the rows of the dataset that answer each."""

    kind: str  # spoken | typed
    name: str
    searched: Modality
    texts: list[str]  # the question; of a spoken one its transcript
    audio: list[str | None]
    vectors: FloatArray
    expected: list[str]  # the place of the right answer, for people
    relevant: list[set[int]]


@dataclass(frozen=True)
class Score:
    """Scores of exact search on one kind of question."""

    measured: dict[str, Interval]
    by_chance: dict[str, float]


class Known:
    """The dataset's rows, and the questions that each of them answers."""

    def __init__(self, rows: pa.Table, broadcasts: Sequence[Broadcast]) -> None:
        self.rows: list[dict[str, Any]] = rows.drop_columns(["vector"]).to_pylist()
        width = rows.schema.field("vector").type.list_size
        flat = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        self.vectors: FloatArray = flat.reshape(-1, width).astype(np.float32)
        self.segment_ids = [row["segment_id"].hex() for row in self.rows]
        self.broadcasts = broadcasts
        self._caption = {
            (row["item"].rpartition("#")[2], _same(row["text"])): i for i, row in enumerate(self.rows) if row["item"]
        }

    def places(self, modality: str) -> list[int]:
        return [i for i, row in enumerate(self.rows) if row["modality"] == modality]

    def caption(self, lang: str, text: str) -> int:
        """The row of the corpus with this caption."""
        return self._caption[lang, _same(text)]

    def speech_rows(self, broadcast: Broadcast) -> set[int]:
        """Rows of speech that cover at least half of the broadcast's span."""
        need = (broadcast.end_s - broadcast.start_s) / 2
        return {
            i
            for i, row in enumerate(self.rows)
            if row["uri"] == broadcast.uri
            and min(row["end_s"], broadcast.end_s) - max(row["start_s"], broadcast.start_s) >= need
        }


def question_groups(material: Material, known: Known, encoder: Encoder) -> list[Group]:
    """All questions that this material allows."""
    if not material.recorded:
        asked = encoder.encode(SENTENCES["en"], "query")
        return [_of_texts(TYPED, "typed en -> fr text", "fr", SENTENCES["en"], None, SENTENCES["fr"], asked, known)]
    clips = material.questions
    transcripts, audio = [clip.text for clip in clips], [clip.uri for clip in clips]
    vectors = encoder.encode([read_clip(clip) for clip in clips], "query")
    spoken = [
        _of_texts(
            SPOKEN,
            f"spoken fr -> {lang} text",
            lang,
            transcripts,
            audio,
            [c.translations[lang] for c in clips],
            vectors,
            known,
        )
        for lang in ("fr", "en")
    ]
    return [*spoken, _of_speech(material, known, encoder)]


def _of_texts(
    kind: str,
    name: str,
    lang: str,
    texts: Sequence[str],
    audio: Sequence[str] | None,
    answers: Sequence[str],
    vectors: FloatArray,
    known: Known,
) -> Group:
    """Questions whose answers are these captions in `lang`."""
    found = [known.caption(lang, answer) for answer in answers]
    expected = [f"{known.rows[place]['item']} {known.rows[place]['text']!r}" for place in found]
    files: list[str | None] = list(audio) if audio is not None else [None] * len(texts)
    return Group(kind, name, TEXT, list(texts), files, vectors, expected, [{place} for place in found])


def _of_speech(material: Material, known: Known, encoder: Encoder) -> Group:
    """The English text of each French test prompt, asked of the archive; equal texts are one question."""
    where = {one.key: one for one in material.broadcasts if one.lang == "fr"}
    by_text: dict[str, list[Broadcast]] = {}
    for clip in material.questions:
        by_text.setdefault(clip.translations["en"], []).append(where[clip.key])
    texts = list(by_text)
    relevant = [_union(known.speech_rows(one) for one in by_text[text]) for text in texts]
    expected = [f"{one.uri} {one.start_s:.1f}-{one.end_s:.1f} s" for one in (by_text[text][0] for text in texts)]
    vectors = encoder.encode(texts, "query")
    return Group(TYPED, "typed en -> fr speech", SPEECH, texts, [None] * len(texts), vectors, expected, relevant)


def score(groups: Sequence[Group], known: Known, dim: int) -> dict[str, Score]:
    """Recall@10 and nDCG@10 of the first right row, by kind, at one width, with those of chance.

    A question whose right rows were all lost in cutting counts as missed.
    """
    found: dict[str, Score] = {}
    for kind in dict.fromkeys(group.kind for group in groups):
        values: dict[str, list[float]] = {measure: [] for measure in (NDCG, RECALL)}
        floors: list[dict[str, float]] = []
        for group in (one for one in groups if one.kind == kind):
            asked, right, places = _candidates(group, known)
            ranks = judged_by_dim(group.vectors[asked], known.vectors[places], right, [dim])[dim].ranks
            missed = [0.0] * (len(group.relevant) - len(asked))
            values[RECALL] += [*(ranks <= CUTOFF).astype(float).tolist(), *missed]
            values[NDCG] += [*first_gain(ranks).tolist(), *missed]
            floors += [_floor(len(places), len(one)) for one in right]
        found[kind] = Score(
            {measure: interval(np.asarray(values[measure])) for measure in (NDCG, RECALL)},
            {measure: float(np.mean([floor[measure] for floor in floors])) for measure in (NDCG, RECALL)},
        )
    return found


def ndcg_by_dim(groups: Sequence[Group], known: Known, dims: Sequence[int]) -> dict[str, dict[int, Interval]]:
    """nDCG@10 of each group at every width, by exact search."""
    found = {}
    for group in groups:
        asked, right, places = _candidates(group, known)
        judged = judged_by_dim(group.vectors[asked], known.vectors[places], right, list(dims))
        found[group.name] = {dim: interval(first_gain(one.ranks)) for dim, one in judged.items()}
    return found


def first_gain(ranks: IntArray) -> Values:
    """nDCG@10 with one answer a question: 1 / log2(rank + 1) of the first right row, 0 after the tenth."""
    gains: Values = np.where(ranks <= CUTOFF, 1 / np.log2(ranks + 1), 0.0)
    return gains


def _candidates(group: Group, known: Known) -> tuple[list[int], list[set[int]], list[int]]:
    """Questions that have an answer among the rows, their answers as columns, and the rows that are columns."""
    places = known.places(group.searched)
    column = {place: i for i, place in enumerate(places)}
    asked = [i for i, right in enumerate(group.relevant) if right]
    return asked, [{column[place] for place in group.relevant[i]} for i in asked], places


def _floor(documents: int, right: int) -> dict[str, float]:
    """Scores of a random ranking, by the chance that its first right row is at each of the ten places."""
    missed, found, gain = 1.0, 0.0, 0.0
    for place in range(min(CUTOFF, documents)):
        here = missed * right / (documents - place)
        missed, found, gain = missed - here, found + here, gain + here / float(np.log2(place + 2))
    return {RECALL: found, NDCG: gain}


def _union(sets: Iterable[set[int]]) -> set[int]:
    return set().union(*sets)


def _same(text: str) -> str:
    return " ".join(words(text))
