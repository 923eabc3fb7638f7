"""`deglu repeats`: jingles, spots and re-broadcasts of a dataset, found by fingerprints, from storage alone."""

from collections.abc import Mapping
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.job import read_job
from embed.quantities import many
from embed.repeats.find import find_repeats
from embed.repeats.table import newest, read_repeats
from jobs.command.output import Plain
from jobs.command.progress import Progress
from jobs.command.terminal import add_row, drawn, duration, joined, table_of

SHOWN = 10  # first broadcasts, for people; --json has all rows


def repeats(url: str, progress: Progress) -> Plain:
    """Compare new units with all before them, and list what is repeated most.

    Raises InputError where no version is published.
    """
    job = read_job(url)
    found = find_repeats(job.url, progress.note)
    document = {
        "dataset": job.url,
        "version": found.version,
        "units_before": found.before,
        "units_new": found.new,
        "units_without_fingerprint": found.without,
        **totals(found.rows),
        "firsts": firsts(found.rows),
        "rows": [_plain(row) for row in found.rows.to_pylist()],
    }
    return Plain(document, _text(document))


def totals(rows: pa.Table) -> dict[str, Any]:
    """Number of repeats, and their seconds."""
    seconds = pc.sum(pc.subtract(rows["end_s"], rows["start_s"]), min_count=0).as_py()
    return {"repeats": rows.num_rows, "repeated_s": round(seconds, 3)}


def firsts(rows: pa.Table) -> list[dict[str, Any]]:
    """First broadcasts with their number of repeats, the most repeated first; those within a second are one."""
    counts: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows.sort_by([("of_uri", "ascending"), ("of_start_s", "ascending")]).to_pylist():
        place = next(
            (key for key in ((row["of_uri"], round(row["of_start_s"]) + step) for step in (0, -1)) if key in counts),
            (row["of_uri"], round(row["of_start_s"])),
        )
        one = counts.setdefault(
            place, {"uri": row["of_uri"], "start_s": row["of_start_s"], "longest_s": 0.0, "repeats": 0}
        )
        one["repeats"] += 1
        one["longest_s"] = max(one["longest_s"], round(row["end_s"] - row["start_s"], 3))
    return sorted(counts.values(), key=lambda one: (-one["repeats"], one["uri"], one["start_s"]))


def repeats_document(url: str) -> dict[str, Any] | None:
    """The newest table in numbers, for `deglu status`; None where repeats were never looked for."""
    state, rows = newest(url), read_repeats(url)
    if state is None or rows is None:
        return None
    return {"version": state["version"], "units": state["units"], "without": state["without"], **totals(rows)}


def repeats_text(document: Mapping[str, Any] | None) -> list[str]:
    """`repeats  12 found, 1 min of sound, ...`: one line, or none."""
    if document is None:
        return []
    version = f"as of version {document['version']}"
    return [f"repeats  {many(document['repeats'], 'repeat')}, {duration(document['repeated_s'])} of sound, {version}"]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _text(document: Mapping[str, Any]) -> str:
    url, without = document["dataset"], document["units_without_fingerprint"]
    lines = [
        f"{url} version {document['version']}: {many(document['repeats'], 'repeat')},"
        f" {duration(document['repeated_s'])} of sound; {many(document['units_new'], 'unit')} compared now,"
        f" {document['units_before']} before",
    ]
    if without:
        lines.append(
            f"{many(without, 'unit')} of recordings without a fingerprint, not compared: embed again with"
            " `repeats: true` in the spec, into a new output"
        )
    if document["repeats"]:
        table = table_of("repeats", "longest", "first broadcast", "at")
        for one in document["firsts"][:SHOWN]:
            add_row(table, one["repeats"], f"{one['longest_s']:.1f} s", one["uri"], f"{one['start_s']:.1f} s")
        lines += [drawn(table), f"all of them: deglu repeats {quote(url)} --json"]
    return joined(lines)
