"""`deglu status` of an index: its newest version, and the recall that an audit of real questions found."""

from dataclasses import asdict
from typing import Any

from embed.quantities import many
from embed.storage.store import absolute
from index.audit.auditor import warning
from index.audit.counts import Found, found
from index.audit.files import Audit, read_audit
from index.parts.artifact import Manifest, read_manifest
from jobs.command.output import Plain
from jobs.command.terminal import joined

HOW = "no question was audited on this version; deglu.open_index(url, audit=0.001) audits one in a thousand"


def index_status(url: str) -> Plain:
    """The newest version of an index, and its audit.  Raises InputError where there is no index."""
    url = absolute(url)
    manifest = read_manifest(url)
    audit = read_audit(url, manifest)
    rows = found(audit.counts)
    document = {
        "index": url,
        "version": manifest.version,
        "vectors": manifest.lineage.url,
        "vectors_version": manifest.lineage.version,
        "rows": manifest.rows,
        "recall": manifest.spec.recall,
        "audit": _audit_document(audit, rows),
        "warnings": _warnings(url, manifest, rows),
    }
    return Plain(document, joined(_lines(document, manifest, audit, rows)))


def _audit_document(audit: Audit, rows: list[Found]) -> dict[str, Any]:
    counts = audit.counts
    numbers = {name: getattr(counts, name) for name in ("asked", "audited", "exact", "dropped", "failed")}
    found_rows = [{**asdict(row), "broken": row.broken} for row in rows]
    return {"since": audit.since, **numbers, "found": found_rows, "damaged": list(audit.damaged)}


def _warnings(url: str, manifest: Manifest, rows: list[Found]) -> list[str]:
    """One for each promise that is broken, of all its questions where these show it."""
    first: dict[float, Found] = {}
    for row in rows:
        if row.broken:
            first.setdefault(row.promised, row)
    return [warning(url, manifest.version, row) for row in first.values()]


def _lines(document: dict[str, Any], manifest: Manifest, audit: Audit, rows: list[Found]) -> list[str]:
    source, counts = manifest.lineage, audit.counts
    lines = [
        f"{document['index']} version {manifest.version}: {many(manifest.rows, 'row')} of {source.url} "
        f"version {source.version}, recall {manifest.spec.recall:g} by default"
    ]
    if audit.since is None:
        lines.append(f"audit    {HOW}")
    else:
        others = f"{counts.exact:,} more had read every row, {counts.dropped:,} were dropped, {counts.failed:,} failed"
        lines.append(
            f"audit    {counts.audited:,} of {many(counts.asked, 'question')} since {audit.since} were answered again "
            f"from every row; {others}"
        )
    lines += [_row(row) for row in rows]
    lines += [f"damaged  {place} was left out; remove it" for place in audit.damaged]
    return [*lines, *(f"warning  {line}" for line in document["warnings"])]


def _row(row: Found) -> str:
    which = f"promised {row.promised:g}" if row.hits is None else f"  {row.kind}"
    return (
        f"recall   {which}: found {row.recall:.4f}, at least {row.low:.4f} and at most {row.high:.4f} with 95 % "
        f"certainty each ({many(row.questions, 'question')})"
    )
