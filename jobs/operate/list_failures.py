"""`deglu failures`: the failures of a dataset with their reasons, read from storage alone; no cluster is needed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embed.dataset import VectorsDataset
from embed.dataset.job import Job, read_job
from embed.dataset.log import head, newest_version
from embed.dataset.staging import read_units, staged
from embed.file_kinds import modality_of
from embed.quantities import many
from embed.tables import FAILURES, SPEECH, TEXT, FailureRow
from jobs.command.output import Plain
from jobs.command.terminal import add_row, drawn, duration, table_of
from jobs.operate.reasons import by_reason, short_uri, without_file

if TYPE_CHECKING:  # loaded where a filter is given
    from index.filter import Where

LINES = 20  # of files, for people; --json has all


def failures(url: str, where: "Where | None" = None) -> Plain:
    """The failures of the newest version and of units committed since, filtered by `where` over FAILURES.

    Raises InputError where there is no dataset.
    """
    job = read_job(url)
    rows, version = _failures(job)
    chosen = [_plain(row) for row in _kept(rows, where)]
    reasons = by_reason(chosen)
    document = {
        "dataset": job.url,
        "version": version,
        "where": None if where is None else where.text,
        "count": len(chosen),
        "files": len({row["uri"] for row in chosen}),
        "lost_s": round(sum(row["lost_s"] for row in chosen), 3),
        "reasons": reasons,
        "failures": chosen,
    }
    return Plain(document, _text(document, len(rows)))


def _kept(rows: list[dict[str, Any]], where: "Where | None") -> list[dict[str, Any]]:
    if where is None:
        return rows
    mask = where.mask(pa.Table.from_pylist(rows, schema=FAILURES))
    return [row for row, keep in zip(rows, mask, strict=True) if keep]


def _failures(job: Job) -> tuple[list[dict[str, Any]], int | None]:
    """FAILURES rows with their modality, and the newest version; rows of staged units replace published ones."""
    waiting, staged_ids = _staged(job)
    # Folded units count, published or not.
    end, newest = head(job.url), newest_version(job.url)
    dataset = VectorsDataset(job.url, end) if end else None
    folded = dataset.failures() if dataset else FAILURES.empty_table()
    rows = [row for row in folded.to_pylist() if row["unit_id"] not in staged_ids] + [dict(row) for row in waiting]
    modalities = _modalities(dataset.assets()) if dataset else {}
    for row in rows:
        row["modality"] = modalities.get(row["asset_id"]) or modality_of(row["uri"])
    rows.sort(key=lambda row: (row["stage"], row["error_class"], row["uri"], row["start"] or 0))
    return rows, newest.number if newest else None


def _staged(job: Job) -> tuple[list[FailureRow], set[bytes]]:
    """Failures of the units in staging, and their ids; read first, since folding moves units out of staging only."""
    failures: list[FailureRow] = []
    units: set[bytes] = set()
    for unit in read_units(job, staged(job)):
        units.add(unit.unit_id)
        failures += unit.failures
    return failures, units


def _modalities(assets: pa.Table) -> dict[bytes, str]:
    """Of each asset; places in a list of recordings are lines, as in a text."""
    kinds = zip(*(assets[name].to_pylist() for name in ("asset_id", "modality", "format")), strict=True)
    return {asset: TEXT if form == "list" else modality for asset, modality, form in kinds}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _text(document: Mapping[str, Any], of: int) -> str:
    version, count = document["version"], document["count"]
    where = f"{document['dataset']}, {'nothing published yet' if version is None else f'version {version}'}"
    if not count:
        filtered = f" where {document['where']}, of {many(of, 'failure')} in all" if document["where"] else ""
        return f"{where}: no failures{filtered}"
    head = f"{where}: {many(count, 'failure')} in {many(document['files'], 'file')}{_lost(document['lost_s'])}"
    return "\n\n".join([head, _reasons_text(document["reasons"]), *_files_text(document["failures"])])


def _reasons_text(reasons: Sequence[Mapping[str, Any]]) -> str:
    table = table_of("count", "lost", "stage", "reason", right=("count", "lost"))
    for reason in reasons[:LINES]:
        lost = duration(reason["lost_s"]) if reason["lost_s"] else ""
        row, several = reason["example"], reason["count"] > 1
        what = reason["message"] if several else without_file(row)
        message = [f"{reason['error_class']}: {what}", f"  {'e.g. ' if several else ''}{short_uri(row['uri'])}"]
        add_row(table, f"{reason['count']:,}", lost, reason["stage"], message)
    more = len(reasons) - LINES
    return drawn(table) + (f"\n... and {many(more, 'reason')} more" if more > 0 else "")


def _files_text(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The files one by one; nothing where the reasons name the only file."""
    if len(rows) == 1:
        return []
    table = table_of("file", "span", "what happened", right=("span",))
    for row in rows[:LINES]:
        add_row(table, short_uri(row["uri"]), place(row), without_file(row))
    lines = [drawn(table)]
    if len(rows) > LINES:
        some = f"--where \"error_class = '{rows[-1]['error_class']}'\""
        lines.append(f"{len(rows) - LINES:,} more; --json has all of them, --where selects: {some}")
    return lines


def _lost(seconds: float) -> str:
    return f", {duration(seconds)} of sound lost" if seconds else ""


def place(row: Mapping[str, Any]) -> str:
    """Span of a failure, in seconds of speech or in bytes or rows of a text; `all` where all of the asset is lost."""
    start, end = row["start"], row["end"]
    if start is None or (start == 0 and end is None):
        return "all"
    scale, unit = (1000, " s") if row["modality"] == SPEECH else (1, "")
    return f"{start / scale:g} - {'end' if end is None else f'{end / scale:g}'}{unit}"
