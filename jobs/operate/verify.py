"""`deglu verify`: checks a vectors dataset or an index, lists everything that is wrong, then with exit code 1."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embed.check import Check, Problem
from embed.dataset import open_dataset
from embed.dataset.log import newest_version
from embed.dataset.tombstones import forgotten
from embed.errors import DegluError
from embed.quantities import many
from embed.storage.store import absolute, join, listing, read_bytes
from embed.tables import SPEECH
from embed.verify.verify import verify_version
from index.parts.artifact import WITHDRAWN, Manifest, read_manifest
from index.verify import verify_index
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.command.terminal import one_line

LINES = 20  # of problems, for people; --json has all


def verify(url: str, number: int | None = None, progress: Progress | None = None) -> Plain:
    """Check all of version `number`, by default the newest; exit code 1 where a check fails.

    Raises InputError where that version is missing, StorageError where storage cannot be reached.
    """
    url = absolute(url)
    report = (_index if is_index(url) else _dataset)(url, number, progress or Silent())
    return Plain(report.document(), report.text(), int(not report.whole))


def is_index(url: str) -> bool:
    """Whether `url` is an index, by the `kind` in its newest version that can be read."""
    for entry in reversed(listing(join(url, "versions"), ".json")):
        try:
            kind = json.loads(read_bytes(entry.url)).get("kind")
        except (ValueError, AttributeError):
            continue
        return kind in ("index", WITHDRAWN)
    return False


@dataclass(frozen=True)
class Report:
    """The checks of one version, as a JSON document and as lines for people."""

    title: str
    about: Mapping[str, Any]  # the first fields of the document: dataset or index, and its version
    checks: Sequence[Check]
    by_unit: bool  # whether problems are in units, with a place

    @property
    def whole(self) -> bool:
        return not any(check.problems for check in self.checks)

    def document(self) -> dict[str, Any]:
        return {
            **self.about,
            "whole": self.whole,
            "checks": [
                {
                    "check": check.name,
                    "holds": not check.problems,
                    "figures": check.figures,
                    "problems": len(check.problems),
                }
                for check in self.checks
            ],
            "problems": [
                {"check": check.name, **(_unit(problem) if self.by_unit else {}), "problem": problem.what}
                for check in self.checks
                for problem in check.problems
            ],
        }

    def text(self) -> str:
        return "\n".join([self.title, *self._lines(), *self._end()])

    def _lines(self) -> Iterator[str]:
        for check in self.checks:
            promised = f"{many(len(check.problems), 'problem')} below; expected: " if check.problems else ""
            yield f"{'NO' if check.problems else 'ok':4}{check.name:10}{promised}{check.figures}"

    def _end(self) -> Iterator[str]:
        if self.whole:
            yield "whole: every check passed"
            return
        problems = [(check.name, problem) for check in self.checks for problem in check.problems]
        yield f"\nNOT whole: {many(len(problems), 'problem')}"
        for name, problem in problems[:LINES]:
            yield f"{name:10}{one_line(_place(problem) + problem.what)}"
        if len(problems) > LINES:
            yield f"and {len(problems) - LINES:,} more: --json has all of them"


def _dataset(url: str, number: int | None, progress: Progress) -> Report:
    dataset = open_dataset(url, number)
    progress.begin("verifying", len(dataset.info.data), "files")
    checks = verify_version(dataset, lambda: progress.advance(1))
    progress.end()
    info = dataset.info
    about = {"dataset": dataset.url, "version": info.number, "created": info.created}
    return Report(f"{dataset.url}, version {info.number} of {info.created}", about, checks, by_unit=True)


def _index(url: str, number: int | None, progress: Progress) -> Report:
    manifest = read_manifest(url, number)
    progress.begin("verifying", sum(len(part.files) for part in manifest.parts), "files")
    checks = verify_index(url, number, _forgotten(manifest), lambda: progress.advance(1))
    progress.end()
    source = manifest.lineage
    about = {"index": url, "version": manifest.version, "vectors": source.url, "vectors_version": source.version}
    title = f"{url}, version {manifest.version}, of {source.url} version {source.version}"
    return Report(title, about, checks, by_unit=False)


def _forgotten(manifest: Manifest) -> pa.Array | None:
    """Assets forgotten in the dataset; None where it cannot be reached, since an index needs no dataset."""
    try:
        return forgotten(manifest.lineage.url) if newest_version(manifest.lineage.url) else None
    except DegluError:
        return None


def _unit(problem: Problem) -> dict[str, Any]:
    unit = problem.unit.hex() if problem.unit else None
    place = {"uri": problem.uri, "modality": problem.modality, "start": problem.start, "end": problem.end}
    return {"unit_id": unit, **place}


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
