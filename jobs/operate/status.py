"""`deglu status` of a vectors dataset: its progress, read from storage alone, also when the cluster is gone.

That of an index is in `jobs.operate.index_status`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.job import Job, read_job
from embed.dataset.log import head, newest_version, versions
from embed.dataset.publish import committed
from embed.dataset.runs import Run, is_alive, newest_runs
from embed.dataset.staging import attempts, staged
from embed.dataset.version import Version
from embed.quantities import many, size
from embed.tables import ID, SPEECH, TEXT
from jobs.command.output import Plain
from jobs.command.terminal import joined
from jobs.operate.accounts import accounting_text, coverage
from jobs.operate.find_repeats import repeats_document, repeats_text
from jobs.operate.index_status import index_status
from jobs.operate.list_passed_over import passed_over_text
from jobs.operate.run_words import run_document, run_text
from jobs.operate.verify import is_index

RUNS = 5  # newest runs that are read: more drivers at once are not expected


def status(url: str) -> Plain:
    """Progress of a dataset, running or not, or the audit of an index.  InputError where there is neither."""
    return index_status(url) if is_index(url) else dataset_status(url)


def dataset_status(url: str) -> Plain:
    """Progress of a dataset, running or not.  InputError where none was begun."""
    job = read_job(url)
    newest = open_dataset(job.url) if versions(job.url) else None
    # Listed before the commits, so that a unit committed in between counts as committed.
    started = attempts(job)
    waiting, unfinished, runs = staged(job), _unfinished(job, started), newest_runs(job.url, RUNS)
    document = {
        "dataset": job.url,
        "job": job.number,
        "begun": job.created,
        "model": job.model,
        "dims": list(job.dims),
        "space": job.space,
        "encoder": job.encoder,
        "runs": _shown(runs),
        "passed_over": next((run.passed_over for run in runs if run.plan), {}),
        "versions": versions(job.url),
        "repeats": repeats_document(job.url),
        "published": None if newest is None else _published(newest),
        "drafted_units": _drafted(job),
        "staged_units": len(waiting),
        "unfinished_units": [{"unit_id": unit, "attempts": count} for unit, count in unfinished.items()],
    }
    return Plain(document, _text(document, newest))


def _unfinished(job: Job, started: Mapping[bytes, int]) -> dict[str, int]:
    """Units started and not committed, with their number of starts."""
    units = pa.array(sorted(started), ID)
    left = units.filter(pc.invert(pc.is_in(units, value_set=committed(job)))).to_pylist()
    return {unit.hex(): started[unit] for unit in left}


def _shown(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The newest run, and any other that is alive."""
    now = datetime.now(UTC)
    return [run_document(run, now) for place, run in enumerate(runs) if place == 0 or is_alive(run)]


def _drafted(job: Job) -> int:
    """Units that a run has folded since the newest version."""
    end, newest = head(job.url), newest_version(job.url)
    if end is None or end.job != job.number or end.complete:
        return 0
    before = newest.accounting.units if newest and newest.job == end.job else 0
    return max(end.accounting.units - before, 0)


def _published(dataset: VectorsDataset) -> dict[str, Any]:
    info, assets = dataset.info, dataset.assets()
    kinds = assets["modality"].to_pylist()
    return {
        "version": info.number,
        "job": info.job,
        "created": info.created,
        "rows": info.rows,
        "failures": dataset.failures().num_rows,
        "accounting": info.accounting.model_dump(),
        "coverage": coverage(info.accounting),
        "assets": {"listed": assets.num_rows, SPEECH: kinds.count(SPEECH), TEXT: kinds.count(TEXT)},
        "listed_s": pc.sum(assets["duration_s"], min_count=0).as_py(),
        "bytes": sum(ref.size_bytes for ref in info.data),
    }


def _text(document: Mapping[str, Any], newest: VectorsDataset | None) -> str:
    model = f", model {document['model']}" if document["model"] else ""
    lines = [f"{document['dataset']}, begun {document['begun']}{model}"]
    for run in document["runs"]:
        lines += run_text(run)
        if run["failures"] and run["told"] != "complete":
            lines.append(f"failures {run['failures']:,} so far; see with: deglu failures {quote(document['dataset'])}")
    lines += passed_over_text(document["passed_over"], document["dataset"])
    lines += _waiting_text(document)
    published = document["published"]
    if newest is None or published is None:
        return joined([*lines, "nothing is published yet"])
    lines += _published_text(document["dataset"], published, newest.info)
    return joined([*lines, *repeats_text(document["repeats"])])


def _waiting_text(document: Mapping[str, Any]) -> list[str]:
    lines = []
    drafted, waiting, unfinished = (document[name] for name in ("drafted_units", "staged_units", "unfinished_units"))
    if drafted:
        lines.append(f"folded   {many(drafted, 'unit')} in data files already, not published yet")
    if waiting:
        lines.append(f"staged   {many(waiting, 'unit')} committed, waiting for the next version")
    if unfinished:
        most = max(unit["attempts"] for unit in unfinished)
        started = f"{many(len(unfinished), 'unit')} started and not committed, tried up to {many(most, 'time')}"
        is_alive_now = any(run["alive"] for run in document["runs"])
        state = "running now" if is_alive_now else "cut short" if document["runs"] else "running now, or cut short"
        lines.append(f"started  {started}: {state}")
    return lines


def _published_text(url: str, published: Mapping[str, Any], info: Version) -> list[str]:
    assets, cure = published["assets"], f"; see with: deglu failures {quote(url)}"
    return [
        f"version  {published['version']} of {published['created']}: {many(published['rows'], 'vector')}, "
        f"{size(published['bytes'])}",
        f"assets   {assets['listed']} listed, {assets[SPEECH]} of speech and {assets[TEXT]} of text",
        *accounting_text(info.accounting),
        f"failures {published['failures']}" + (cure if published["failures"] else ""),
    ]
