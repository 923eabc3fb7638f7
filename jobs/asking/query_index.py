"""`deglu query`: typed and spoken questions, one or many, asked of an index.

Errors are raised before a tower is loaded, where possible: a broken batch line, a width, another encoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embed.audio.questions import decoder_for
from embed.model.handle import ModelHandle, resolve_model
from index.ask.answers import Answer, Answers, as_json, ask
from index.ask.questions import Question, check_kinds, questions_of
from index.ask.searcher import Index, check_dim, check_space, open_index
from index.contracts import SearchRequest
from index.parts.artifact import Manifest, read_manifest
from jobs.asking.answers_table import as_table
from jobs.asking.collapse import broadcasts_of, collapse
from jobs.asking.search_costs import costs_of, costs_text
from jobs.command.terminal import drawn, one_line

DEFAULT_MODEL = "demo"


@dataclass(frozen=True)
class QueryReport:
    """The questions of one `deglu query` with their answers."""

    index: str
    questions: tuple[Question, ...]
    answers: tuple[list[Answer], ...]
    explain: dict[str, Any] | None
    repeats: tuple[list[int], ...] | None = None  # of each answer, its other broadcasts; None without --collapse
    exit_code: int = 0

    def document(self) -> dict[str, Any]:
        questions: list[dict[str, Any]] = [
            {"kind": question.kind, "question": question.label, "answers": as_json(answers)}
            for question, answers in zip(self.questions, self.answers, strict=True)
        ]
        for question, counts in zip(questions, self.repeats or (), strict=False):
            for answer, count in zip(question["answers"], counts, strict=True):
                answer["repeats"] = count
        return {"index": self.index, "questions": questions, "explain": self.explain}

    def text(self) -> str:
        parts = [
            f"{one_line(question.label)}\n{drawn(as_table(answers, repeats=counts)) if answers else 'no answers'}"
            for question, answers, counts in zip(
                self.questions, self.answers, self.repeats or [()] * len(self.answers), strict=True
            )
        ]
        return "\n\n".join([*parts, *([costs_text(self.explain)] if self.explain else [])])


def query_index(
    index: str,
    request: SearchRequest,
    text: str | None = None,
    audio: str | None = None,
    batch: str | None = None,
    model: str | None = None,
    collapse_repeats: bool = False,
) -> QueryReport:
    """Answers to the question(s) in exactly one of `text`, `audio` (a recording) and `batch` (JSON lines).

    `model` is the encoder's name; by default the one that the index names, or the demo's.  With `collapse_repeats` the
    broadcasts of one sound are one answer.  Raises SpecError for a
    broken batch line, an empty question, a width that is not declared; FingerprintMismatch for the encoder of another
    space; InputError where there is no index, or a recording is missing, silent, too short or too long.
    """
    questions = tuple(questions_of(text, audio, batch))
    manifest = read_manifest(index)
    check_dim(index, manifest, request)
    broadcasts = broadcasts_of(manifest.lineage.url) if collapse_repeats else None
    name = model or str(manifest.lineage.settings.get("model") or DEFAULT_MODEL)
    handle = resolve_model(name)
    _check_model(index, manifest, handle, questions)
    from embed.model.weights import load_model  # torch takes seconds to load: errors are reported before

    opened = open_index(index, version=manifest.version)
    encoder = load_model(handle, speech=any(question.kind == "audio" for question in questions))
    found = ask(opened, encoder, questions, request, decoder_for(encoder))
    costs = _costs(opened, found, request, name) if request.explain else None
    if broadcasts is None:
        return QueryReport(index, questions, tuple(found.lists), costs)
    collapsed = collapse(opened, found, request, broadcasts)
    answers = tuple([answer for answer, _ in one] for one in collapsed)
    return QueryReport(index, questions, answers, costs, tuple([count for _, count in one] for one in collapsed))


def _costs(index: Index, found: Answers, request: SearchRequest, model: str) -> dict[str, Any]:
    # The first search of a process loads compiled loops and pages of files; the costs are those of a second search.
    again = index.search(found.vectors, request).explanation
    assert found.explanation is not None
    assert again is not None
    first = {"model": model, "encode_s": found.encode_s, "first_search_s": found.explanation.seconds}
    return first | costs_of(index.manifest, again)


def _check_model(index: str, manifest: Manifest, model: ModelHandle, questions: Sequence[Question]) -> None:
    """Checks the model by its files, before any tower is loaded."""
    check_space(index, manifest, model.fingerprints.space, model.name)
    check_kinds(questions, model.speaks, model.name)
