"""`deglu failures`: what could not be embedded and why, from storage alone, the cluster running or gone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from embed.dataset import VectorsDataset
from embed.dataset.job import Job, read_job
from embed.dataset.log import head, newest_version
from embed.dataset.staging import read_units, staged
from embed.file_kinds import modality_of
from embed.tables import FAILURES, SPEECH, FailureRow
from jobs.command.output import Plain
from jobs.command.terminal import add_row, drawn, duration, many, table_of
from jobs.operate.failure_filter import parse
from jobs.operate.reasons import by_reason, without_file

LINES = 20  # of files, for people; --json has all


def failures(url: str, where: Iterable[str] = ()) -> Plain:
    """What could not be embedded: of the newest version, and of units committed since; those that `where` means.

    Raises InputError where no dataset is, SpecError for a `where` that means nothing.
    """
    meant, job = parse(where), read_job(url)
    rows, version = _failures(job)
    told = [_plain(row) for row in rows if meant(row)]
    reasons = by_reason(told)
    document = {
        "dataset": job.url,
        "version": version,
        "where": list(where),
        "count": len(told),
        "files": len({row["uri"] for row in told}),
        "lost_s": round(sum(row["lost_s"] for row in told), 3),
        "reasons": reasons,
        "failures": told,
    }
    return Plain(document, _in_words(document, len(rows)))


def _failures(job: Job) -> tuple[list[dict[str, Any]], int | None]:
    """FAILURES rows with their modality, and the version they begin with; what is staged replaces what is published."""
    waiting, held = _staged(job)
    # What a run has folded counts, published or not.
    end, newest = head(job.url), newest_version(job.url)
    standing = VectorsDataset(job.url, end) if end else None
    folded = standing.failures() if standing else FAILURES.empty_table()
    rows = [row for row in folded.to_pylist() if row["unit_id"] not in held] + [dict(row) for row in waiting]
    modalities = _modalities(standing.assets()) if standing else {}
    for row in rows:
        row["modality"] = modalities.get(row["asset_id"]) or modality_of(row["uri"])
    rows.sort(key=lambda row: (row["stage"], row["error_class"], row["uri"], row["start"] or 0))
    return rows, newest.number if newest else None


def _staged(job: Job) -> tuple[list[FailureRow], set[bytes]]:
    """Failures of the units in staging, and those units; first, since folding moves them from there, never back."""
    failures: list[FailureRow] = []
    units: set[bytes] = set()
    for unit in read_units(job, staged(job)):
        units.add(unit.unit_id)
        failures += unit.failures
    return failures, units


def _modalities(assets: pa.Table) -> dict[bytes, str]:
    return dict(zip(assets["asset_id"].to_pylist(), assets["modality"].to_pylist(), strict=True))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _in_words(document: Mapping[str, Any], of: int) -> str:
    version, count = document["version"], document["count"]
    where = f"{document['dataset']}, {'nothing published yet' if version is None else f'version {version}'}"
    if not count:
        meant = f" by {' and '.join(document['where'])}, of {many(of, 'failure')} in all" if document["where"] else ""
        return f"{where}: no failures{meant}"
    head = f"{where}: {many(count, 'failure')} in {many(document['files'], 'file')}{_lost(document['lost_s'])}"
    return "\n\n".join([head, _reasons_in_words(document["reasons"]), *_files_in_words(document["failures"])])


def _reasons_in_words(reasons: Sequence[Mapping[str, Any]]) -> str:
    table = table_of("count", "lost", "stage", "reason", right=("count", "lost"))
    for reason in reasons[:LINES]:
        lost = duration(reason["lost_s"]) if reason["lost_s"] else ""
        example = f"e.g. {reason['example']['uri']}" if reason["count"] > 1 else reason["example"]["uri"]
        told = f"{reason['error_class']}: {reason['message']}\n  {example}"
        add_row(table, f"{reason['count']:,}", lost, reason["stage"], told)
    more = len(reasons) - LINES
    return drawn(table) + (f"\n... and {many(more, 'reason')} more" if more > 0 else "")


def _files_in_words(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The files one by one; left out where the reasons name them all."""
    if len(rows) == 1:
        return []
    table = table_of("file", "span", "what happened", right=("span",))
    for row in rows[:LINES]:
        add_row(table, row["uri"], place(row), without_file(row))
    lines = [drawn(table)]
    if len(rows) > LINES:
        some = f"--where 'error_class={rows[-1]['error_class']}'"
        lines.append(f"{len(rows) - LINES:,} more; --json has all of them, --where chooses: {some}")
    return lines


def _lost(seconds: float) -> str:
    return f", {duration(seconds)} of sound lost" if seconds else ""


def place(row: Mapping[str, Any]) -> str:
    """Seconds of speech, or the places in a text; `all` where all of it is lost."""
    start, end = row["start"], row["end"]
    if start is None or (start == 0 and end is None):
        return "all"
    scale, unit = (1000, " s") if row["modality"] == SPEECH else (1, "")
    return f"{start / scale:g} - {'end' if end is None else f'{end / scale:g}'}{unit}"
