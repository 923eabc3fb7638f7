"""`deglu failures` and `deglu status`: what storage alone tells of a vectors dataset, begun, running or published."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset import VectorsDataset, attempts, committed, open_dataset, read_job, versions
from embed.errors import InputError
from embed.inputs import modality_of
from embed.job import Job
from embed.staging import read_units, staged
from embed.tables import FAILURES, SPEECH, TEXT
from jobs.output import Plain
from jobs.terminal import add_row, drawn, many, table_of

LOOKS = 3  # at staging, which a publish may empty while it is read


def failures(url: str) -> Plain:
    """What could not be embedded: of the newest version, and of units committed since.  InputError for no dataset."""
    job = read_job(url)
    rows, version = _failures(job)
    reasons = Counter((row["stage"], row["error_class"]) for row in rows)
    counted = [
        {"stage": stage, "error_class": error, "count": count} for (stage, error), count in reasons.most_common()
    ]
    told = [{name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]
    document = {"dataset": job.url, "version": version, "reasons": counted, "failures": told}
    return Plain(document, _failures_in_words(job.url, version, counted, told))


def status(url: str) -> Plain:
    """How far a dataset is, running or not.  InputError where none was begun."""
    job = read_job(url)
    newest = _newest(job)
    # Listed before the commits, so that a unit committed in between counts as committed.
    started = attempts(job)
    waiting, done = staged(job), set(committed(job).to_pylist())
    unfinished = {unit.hex(): count for unit, count in sorted(started.items()) if unit not in done}
    document = {
        "dataset": job.url,
        "begun": job.created,
        "dims": list(job.dims),
        "space": job.space,
        "encoder": job.encoder,
        "versions": versions(job.url),
        "published": None if newest is None else _published(newest),
        "staged_units": len(waiting),
        "unfinished_units": [{"unit_id": unit, "attempts": count} for unit, count in unfinished.items()],
    }
    return Plain(document, _status_in_words(document))


def _newest(job: Job) -> VectorsDataset | None:
    return open_dataset(job.url) if versions(job.url) else None


def _failures(job: Job) -> tuple[list[dict[str, Any]], int | None]:
    """FAILURES rows with their modality, and the version they begin with; what is staged replaces what is published."""
    waiting, held = _staged_failures(job)
    newest = _newest(job)
    published = newest.failures() if newest else FAILURES.empty_table()
    rows = [row for row in published.to_pylist() if row["unit_id"] not in held] + waiting
    modalities = _modalities(newest.assets()) if newest else {}
    for row in rows:
        row["modality"] = modalities.get(row["asset_id"]) or modality_of(row["uri"])
    rows.sort(key=lambda row: (row["stage"], row["error_class"], row["uri"], row["start"] or 0))
    return rows, newest.info.number if newest else None


def _staged_failures(job: Job) -> tuple[list[dict[str, Any]], set[bytes]]:
    for look in range(1, LOOKS + 1):
        units = staged(job)
        try:
            return [failure for unit in read_units(job, units) for failure in unit.failures], set(units)
        except InputError:  # published and gone meanwhile: look again
            if look == LOOKS:
                raise
    raise AssertionError("the last look returns or raises")


def _modalities(assets: pa.Table) -> dict[bytes, str]:
    return dict(zip(assets["asset_id"].to_pylist(), assets["modality"].to_pylist(), strict=True))


def _published(dataset: VectorsDataset) -> dict[str, Any]:
    info, assets = dataset.info, dataset.assets()
    kinds = assets["modality"].to_pylist()
    return {
        "version": info.number,
        "created": info.created,
        "rows": info.rows,
        "failures": dataset.failures().num_rows,
        "accounting": info.accounting.model_dump(),
        "assets": {"listed": assets.num_rows, SPEECH: kinds.count(SPEECH), TEXT: kinds.count(TEXT)},
        "listed_s": pc.sum(assets["duration_s"], min_count=0).as_py(),
        "bytes": sum(ref.size_bytes for ref in info.data),
    }


def _failures_in_words(url: str, version: int | None, reasons: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    where = f"{url}, {'nothing published yet' if version is None else f'version {version}'}"
    if not rows:
        return f"{where}: no failures"
    summary = table_of("stage", "error", "count", right=("count",))
    for reason in reasons:
        add_row(summary, reason["stage"], reason["error_class"], reason["count"])
    listing = table_of("stage", "file", "span", "message", right=("span",))
    for row in rows:
        add_row(listing, row["stage"], row["uri"], span(row), f"{row['error_class']}: {row['message']}")
    return f"{where}: {many(len(rows), 'failure')}\n\n{drawn(summary)}\n\n{drawn(listing)}"


def span(row: Mapping[str, Any]) -> str:
    """Seconds of speech, or the places in a text; nothing where all of it is lost."""
    start, end = row["start"], row["end"]
    if start is None or (start == 0 and end is None):
        return "all"
    scale, unit = (1000, " s") if row["modality"] == SPEECH else (1, "")
    return f"{start / scale:g} - {'end' if end is None else f'{end / scale:g}'}{unit}"


def _status_in_words(document: Mapping[str, Any]) -> str:
    lines = [f"{document['dataset']}, begun {document['begun']}"]
    published = document["published"]
    lines += _published_in_words(document["dataset"], published) if published else ["nothing is published yet"]
    if document["staged_units"]:
        lines.append(f"staged   {many(document['staged_units'], 'unit')} committed, waiting for the next version")
    unfinished = document["unfinished_units"]
    if unfinished:
        most = max(unit["attempts"] for unit in unfinished)
        started = f"{many(len(unfinished), 'unit')} started and not committed, tried up to {many(most, 'time')}"
        lines.append(f"started  {started}: running now, or cut short")
    return "\n".join(lines)


def _published_in_words(url: str, published: Mapping[str, Any]) -> list[str]:
    a, assets = published["accounting"], published["assets"]
    return [
        f"version  {published['version']} of {published['created']}: {published['rows']:,} vectors, "
        f"{published['bytes'] / 1e6:.1f} MB",
        f"assets   {assets['listed']} listed, {assets[SPEECH]} of speech and {assets[TEXT]} of text",
        f"units    {a['units']} listed = {a['embedded']} embedded + {a['failed']} failed + {a['skipped']} skipped",
        f"seconds  {a['decoded_s']:.1f} decoded = {a['embedded_s']:.1f} embedded + {a['not_speech_s']:.1f} not speech"
        f" + {a['lost_s']:.1f} lost",
        f"failures {published['failures']}" + (f"; see with: deglu failures {url}" if published["failures"] else ""),
    ]
