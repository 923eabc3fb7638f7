"""`deglu evaluate --compare` and `--runs`: runs side by side, of reports or of systems that were never run here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from embed.errors import InputError, SpecError
from embed.storage import store
from evaluate.results import Interval, Qrels, Run
from evaluate.runs.compare import MEASURES, Comparison, compare
from evaluate.runs.files import QRELS, RUN, RUNS, read_qrels, read_run

FEWEST = 2


@dataclass(frozen=True)
class ComparisonReport:
    """Comparisons, one for each task."""

    comparisons: tuple[Comparison, ...]
    exit_code: int = 0

    def document(self) -> dict[str, Any]:
        return {"comparisons": [one.document() for one in self.comparisons]}

    def text(self) -> str:
        return "\n\n".join(_text(one) for one in self.comparisons)


def compare_runs(runs: Sequence[str], qrels: str, measures: Sequence[str] = ()) -> ComparisonReport:
    """Run files by name, against one file of qrels.  Raises SpecError, InputError."""
    _enough(runs, "run files: deglu evaluate --runs A.run B.run --qrels Q.tsv")
    read = dict(zip(_names(runs), map(read_run, runs), strict=True))
    return ComparisonReport((compare(read, read_qrels(qrels), measures or MEASURES, name=qrels),))


def compare_reports(reports: Sequence[str], measures: Sequence[str] = ()) -> ComparisonReport:
    """Folders of `deglu evaluate`: the tasks that all of them have, every system of each.  Raises InputError."""
    _enough(reports, "folders of reports: deglu evaluate --compare A B")
    names = _names(reports)
    found = {name: _tasks(url) for name, url in zip(names, reports, strict=True)}
    common = [task for task in found[names[0]] if all(task in tasks for tasks in found.values())]
    if not common:
        each = "; ".join(f"{name}: {', '.join(tasks)}" for name, tasks in found.items())
        raise InputError(f"the reports have no task in common ({each}); evaluate both with the same tasks")
    return ComparisonReport(tuple(_compared(task, found, measures) for task in common))


def _compared(task: str, found: dict[str, dict[str, str]], measures: Sequence[str]) -> Comparison:
    qrels: Qrels | None = None
    runs: dict[str, Run] = {}
    for name, tasks in found.items():
        url = tasks[task]
        theirs = read_qrels(url)
        if qrels is not None and theirs != qrels:
            raise InputError(f"{url}: other right answers than in the first report; evaluate both on the same data")
        qrels = theirs
        for entry in store.listing(f"{url.removesuffix(QRELS)}", RUN):
            runs[f"{name}: {PurePosixPath(entry.url).stem}"] = read_run(entry.url)
    return compare(runs, qrels or {}, measures or MEASURES, name=task)


def _tasks(url: str) -> dict[str, str]:
    """Task -> url of its qrels, of one report."""
    folder = store.join(url, RUNS)
    tasks = {
        PurePosixPath(entry.url).name.removesuffix(QRELS): entry.url
        for entry in store.listing(folder, QRELS)
        if "/" not in entry.url.removeprefix(folder).strip("/")
    }
    if not tasks:
        raise InputError(f"{url}: no runs here; give the output folder of `deglu evaluate SPEC`")
    return tasks


def _names(urls: Sequence[str]) -> list[str]:
    """The last part of each url, with as many of the folders above as tell them apart."""
    parts = [PurePosixPath(url.rstrip("/")).parts for url in urls]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names):
            return [name.removesuffix(RUN) for name in names]
    raise SpecError(f"{urls[0]} is given twice; give each once")


def _enough(given: Sequence[str], what: str) -> None:
    if len(given) < FEWEST:
        raise SpecError(f"a comparison requires two or more {what}")


def _text(comparison: Comparison) -> str:
    first = next(iter(next(iter(comparison.measures.values()))))
    lines = [f"{comparison.name}: {comparison.queries:,} queries; mean [95 % interval]; difference to (a) {first}"]
    lines += [f"  note: {one}" for one in comparison.notes]
    for measure, runs in comparison.measures.items():
        width = max(map(len, runs))
        lines.append(f"\n{measure}")
        for place, (run, one) in enumerate(runs.items()):
            letter = chr(ord("a") + place) if place < 26 else f"{place + 1}"
            against = f"  {_signed(one.difference)}  p {one.p:.4f}" if one.difference and one.p is not None else ""
            better = f"  better than {', '.join(one.exceeds)}" if one.exceeds else ""
            lines.append(f"  ({letter}) {run:<{width}}  {one.mean}{against}{better}")
    lines.append("\np and `better than`: paired randomisation test, corrected by Holm over all pairs; .05.")
    return "\n".join(lines)


def _signed(one: Interval) -> str:
    return f"{one.mean:+.3f} [{one.low:+.2f}, {one.high:+.2f}]"
