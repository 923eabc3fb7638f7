"""`deglu verify`: a vectors dataset proven whole, or told exactly in what it is not; exit code 1 then."""

from collections.abc import Iterator, Sequence
from typing import Any

from embed.dataset import VectorsDataset, open_dataset
from embed.tables import SPEECH
from embed.verify.checks import Check, Problem
from embed.verify.verify import verify_version
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.command.terminal import many

LINES = 20  # of problems, for people; --json has all


def verify(url: str, number: int | None = None, progress: Progress | None = None) -> Plain:
    """Check all of a version, the newest unless `number` says; exit code 1 where anything does not hold.

    Raises InputError where that version is not, StorageError where storage is out of reach.
    """
    progress = progress or Silent()
    dataset = open_dataset(url, number)
    progress.begin("verifying", len(dataset.info.data), "files")
    checks = verify_version(dataset, lambda: progress.advance(1))
    progress.end()
    return Plain(_document(dataset, checks), _in_words(dataset, checks), exit_code=int(_any(checks)))


def _any(checks: Sequence[Check]) -> bool:
    return any(check.problems for check in checks)


def _document(dataset: VectorsDataset, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "dataset": dataset.url,
        "version": dataset.info.number,
        "created": dataset.info.created,
        "whole": not _any(checks),
        "checks": [
            {
                "check": check.name,
                "holds": not check.problems,
                "figures": check.figures,
                "problems": len(check.problems),
            }
            for check in checks
        ],
        "problems": [_told(check.name, problem) for check in checks for problem in check.problems],
    }


def _told(check: str, problem: Problem) -> dict[str, Any]:
    unit = problem.unit.hex() if problem.unit else None
    place = {"uri": problem.uri, "modality": problem.modality, "start": problem.start, "end": problem.end}
    return {"check": check, "unit_id": unit, **place, "problem": problem.what}


def _in_words(dataset: VectorsDataset, checks: Sequence[Check]) -> str:
    return "\n".join(
        [f"{dataset.url}, version {dataset.info.number} of {dataset.info.created}", *_lines(checks), *_end(checks)]
    )


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    for check in checks:
        told = f"{many(len(check.problems), 'problem')} below; promised: " if check.problems else ""
        yield f"{'NO' if check.problems else 'ok':4}{check.name:10}{told}{check.figures}"


def _end(checks: Sequence[Check]) -> Iterator[str]:
    problems = [(check.name, problem) for check in checks for problem in check.problems]
    if not problems:
        yield "whole: every promise holds"
        return
    yield f"\nNOT whole: {many(len(problems), 'problem')}"
    for name, problem in problems[:LINES]:
        yield f"{name:10}{_place(problem)}{problem.what}"
    if len(problems) > LINES:
        yield f"and {len(problems) - LINES:,} more: --json has all of them"


def _place(problem: Problem) -> str:
    """`radio/a.mp3, 600 - 1200 s (unit 0123...): `, as far as it is known."""
    if problem.unit is None:
        return ""
    unit = f"unit {problem.unit.hex()}"
    if problem.uri is None:
        return f"{unit}: "
    if problem.end is None and not problem.start:
        return f"{problem.uri} ({unit}): "
    scale, measure = (1000, " s") if problem.modality == SPEECH else (1, "")
    end = "end" if problem.end is None else f"{problem.end / scale:g}"
    return f"{problem.uri}, {(problem.start or 0) / scale:g} - {end}{measure} ({unit}): "
