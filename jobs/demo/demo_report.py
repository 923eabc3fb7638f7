"""Report of the demo, as text for people and one document for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embed.quantities import many
from evaluate.measures.names import CUTOFF, NDCG, RECALL
from evaluate.results import Interval
from index.ask.answers import Answer, place
from jobs.demo.demo_questions import Score

SHOWN = 3


@dataclass(frozen=True)
class Question:
    """A question with its known right answer and the answers found."""

    kind: str
    text: str
    audio: str | None
    expected: str
    rank: int | None  # of the right answer among the first ten
    right: tuple[bool, ...]  # of each answer
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class DemoReport:
    """All results of the demo; `missed` names the gates that were not reached."""

    folder: Path
    index: str
    recorded: bool
    questions: tuple[Question, ...]
    scores: dict[str, Score]
    by_dim: dict[str, dict[int, Interval]]
    plot: Path | None
    segments: int
    hours: float
    seconds: dict[str, float]
    missed: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 4 if self.missed else 0

    def document(self) -> dict[str, Any]:
        return {
            "recorded": self.recorded,
            "questions": [_question(question) for question in self.questions],
            "recall_at_10": {kind: _mean(score.measured[RECALL]) for kind, score in self.scores.items()},
            "ndcg_at_10": {kind: _mean(score.measured[NDCG]) for kind, score in self.scores.items()},
            "interval_95": {
                kind: {measure: _bounds(found) for measure, found in score.measured.items()}
                for kind, score in self.scores.items()
            },
            "chance": {kind: score.by_chance for kind, score in self.scores.items()},
            "ndcg_by_dim": {
                name: {str(dim): _mean(found) for dim, found in dims.items()} for name, dims in self.by_dim.items()
            },
            "segments": self.segments,
            "hours": round(self.hours, 3),
            "seconds": round(self.seconds["total"], 1),
            "seconds_by_part": {name: round(value, 1) for name, value in self.seconds.items() if name != "total"},
            "plot": str(self.plot) if self.plot else None,
            "index": self.index,
            "missed_gates": list(self.missed),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def text(self) -> str:
        return "\n".join([*self._examples(), "", *self._summary()])

    def _examples(self) -> list[str]:
        lines: list[str] = []
        for kind in dict.fromkeys(question.kind for question in self.questions):
            chosen = [question for question in self.questions if question.kind == kind]
            lines += ["", f"{kind}: {many(len(chosen), 'question')}, {min(SHOWN, len(chosen))} of them"]
            for question in chosen[:SHOWN]:
                lines += _example_lines(question)
        return lines

    def _summary(self) -> list[str]:
        if not self.recorded:
            return [
                "No recordings are available here (apt fetches them); a synthetic bulletin replaced them: its speech",
                "has no words, only texts were searched, and no gate applies. On Debian the demo searches real speech.",
            ]
        lines = [f"{self.segments} segments of {60 * self.hours:.0f} minutes of radio, and a corpus of texts"]
        for kind, score in self.scores.items():
            lines.append(
                f"{kind:6}  recall@10 {score.measured[RECALL]} (chance {score.by_chance[RECALL]:.3f})"
                f"   nDCG@10 {score.measured[NDCG]} (chance {score.by_chance[NDCG]:.3f})"
            )
        lines.append(f"nDCG by dimension: {self.plot}")
        lines.append("seconds: " + ", ".join(f"{name} {value:.0f}" for name, value in self.seconds.items()))
        lines += [f"gate missed: {one}" for one in self.missed]
        lines.append("ask your own question:")
        lines.append(f'  .venv/bin/deglu query {self.index} --text "say your name" --modality speech')
        lines.append(f"  .venv/bin/deglu serve {self.index}    # then type, speak and listen at http://localhost:8080")
        return lines


def _question(question: Question) -> dict[str, Any]:
    return {
        "kind": question.kind,
        "text": question.text,
        "audio": question.audio,
        "expected": question.expected,
        "rank": question.rank,
        "answers": [
            {
                "rank": answer.rank,
                "score": answer.score,
                "uri": answer.uri,
                "item": answer.item,
                "span": place(answer),
                "text": answer.text,
                "right": right,
            }
            for answer, right in zip(question.answers[:SHOWN], question.right, strict=False)
        ],
    }


def missed_gates(scores: Mapping[str, Score], gates: Mapping[str, float]) -> tuple[str, ...]:
    """One line for each kind of question whose mean recall@10 is under its gate."""
    return tuple(
        f"recall@10 of {kind} questions is {scores[kind].measured[RECALL].mean:.3f}, under {gate}"
        for kind, gate in gates.items()
        if scores[kind].measured[RECALL].mean < gate
    )


def _mean(found: Interval) -> float:
    return round(found.mean, 4)


def _bounds(found: Interval) -> list[float]:
    return [round(found.low, 4), round(found.high, 4)]


def _example_lines(question: Question) -> list[str]:
    found = f"right at rank {question.rank}" if question.rank else f"not among the first {CUTOFF}"
    asked = "spoken" if question.audio else "typed"
    lines = [f"  {asked}: {question.text!r}, known answer {question.expected}: {found}"]
    for answer, right in zip(question.answers[:SHOWN], question.right, strict=False):
        text = answer.text if answer.text is None or len(answer.text) < 80 else answer.text[:77] + "..."
        where = f"{answer.uri} {answer.item or place(answer)}"
        lines.append(f"    {'*' if right else ' '} {answer.rank}. {answer.score:.3f} {where}  {text or ''}".rstrip())
    return lines
