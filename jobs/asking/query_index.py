"""`deglu query`: typed and spoken questions, one or many, asked of an index.

What can be refused is refused before a tower is loaded: a broken batch line, a filter, a width, another encoder.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embed.errors import FingerprintMismatch, InputError, SpecError
from embed.model.handle import ModelHandle, resolve_model
from index.ask.searcher import open_index
from index.contracts import Modality
from index.filter import Where, parse_where
from index.parts.artifact import Manifest, read_manifest
from jobs.asking.answers_table import Answer, answers_of, as_json, as_table
from jobs.asking.encode_questions import Question, check_kinds, encoded, questions_of
from jobs.asking.explain import costs_of, in_words
from jobs.command.terminal import drawn

DEFAULT_MODEL = "demo"


@dataclass(frozen=True)
class IndexAnswers:
    """What `deglu query` hands back."""

    index: str
    questions: tuple[Question, ...]
    answers: tuple[list[Answer], ...]
    explain: dict[str, Any] | None
    exit_code: int = 0

    def document(self) -> dict[str, Any]:
        told = [
            {"kind": question.kind, "question": question.words, "answers": as_json(answers)}
            for question, answers in zip(self.questions, self.answers, strict=True)
        ]
        return {"index": self.index, "questions": told, "explain": self.explain}

    def text(self) -> str:
        told = [
            f"{question.words}\n{drawn(as_table(answers)) if answers else 'no answers'}"
            for question, answers in zip(self.questions, self.answers, strict=True)
        ]
        return "\n\n".join([*told, *([in_words(self.explain)] if self.explain else [])])


def ask_index(
    index: str,
    text: str | None = None,
    audio: str | None = None,
    batch: str | None = None,
    k: int = 10,
    modality: Modality = "any",
    dim: int | None = None,
    recall: float | None = None,
    budget_ms: float | None = None,
    where: str | None = None,
    model: str | None = None,
    explain: bool = False,
) -> IndexAnswers:
    """Up to k answers for the question(s) in exactly one of `text`, `audio` (a recording) and `batch` (JSON lines).

    `recall`, `budget_ms` and `where` as `index.contracts.Searcher` takes them, the filter as text (`index.filter`).
    `model` is the encoder's name; else the one that the index names, else the demo's.  Raises SpecError for a
    broken batch line, an empty question, a broken filter, a width that is not declared, both recall and budget;
    FingerprintMismatch for the encoder of another space; InputError where there is no index, or a recording is
    missing, silent, too short or too long.
    """
    _check_effort(recall, budget_ms)
    kept = None if where is None else _filter(where)
    questions = tuple(questions_of(text, audio, batch))
    manifest = read_manifest(index)
    _check_dim(index, manifest, dim)
    name = model or str(manifest.lineage.settings.get("model") or DEFAULT_MODEL)
    asked = resolve_model(name)
    _check_model(index, manifest, asked, questions)
    from embed.model.weights import load_model  # torch takes seconds: what is wrong is said before

    spoken = any(question.kind == "audio" for question in questions)
    opened = open_index(index, manifest.space, version=manifest.version)
    encoder = load_model(asked, speech=spoken)
    wishes: dict[str, Any] = {"modality": modality, "dim": dim, "recall": recall, "budget_ms": budget_ms, "where": kept}
    began = time.perf_counter()
    vectors = encoded(questions, encoder)
    encode_s = time.perf_counter() - began
    hits, explanation = opened.search_explained(vectors, k, **wishes)
    costs = {"model": name, "encode_s": encode_s, "first_search_s": explanation.seconds} if explain else None
    if costs is not None:
        # The first search of a process loads compiled loops and pages of files; what lasts is told of a second one.
        costs |= costs_of(manifest, opened.search_explained(vectors, k, **wishes)[1])
    return IndexAnswers(index, questions, tuple(answers_of(opened, hits)), costs)


def _check_effort(recall: float | None, budget_ms: float | None) -> None:
    if recall is not None and budget_ms is not None:
        raise SpecError("--recall says how much to find, --budget-ms how long to look: give one of them")
    if recall is not None and not 0 < recall <= 1:
        raise SpecError(f"--recall {recall:g}: a share above 0, up to 1, which reads every row; 0.99 finds 99 of 100")
    if budget_ms is not None and not budget_ms > 0:
        raise SpecError(f"--budget-ms {budget_ms:g}: give milliseconds above 0")


def _filter(where: str) -> Where:
    try:
        return parse_where(where)
    except InputError as error:  # here it is the command line that is wrong
        raise SpecError(f"--where: {str(error).removeprefix('filter: ')}") from None


def _check_dim(index: str, manifest: Manifest, dim: int | None) -> None:
    if dim is not None and dim not in manifest.dims:
        raise SpecError(
            f"--dim {dim}: {index} declares the dims {', '.join(map(str, manifest.dims))}; choose one of these"
        )


def _check_model(index: str, manifest: Manifest, model: ModelHandle, questions: Sequence[Question]) -> None:
    """From the files on disk, so that no tower is loaded in vain."""
    space, name = model.fingerprints.space, model.name
    if space != manifest.space:
        raise FingerprintMismatch(
            f"{index} is in space {manifest.space}, model {name!r} in space {space}; give the model that embedded "
            f"{manifest.lineage.url} with --model, or embed that with {name!r} into another output and index it"
        )
    check_kinds(questions, model.speaks, name)
