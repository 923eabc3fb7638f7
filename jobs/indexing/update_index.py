"""Update of an index, `deglu index` with --append, --delete or --compact: adds rows, removes rows, deletes bytes."""

import time
from collections.abc import Mapping
from shlex import quote
from typing import Any

from embed.dataset import open_dataset
from embed.dataset.tombstones import forgotten
from embed.quantities import many
from index import live
from index.filter import parse_where
from index.parts.artifact import Manifest
from index.spec import IndexSpec
from jobs.command.output import Plain
from jobs.command.terminal import joined
from jobs.indexing.build_index import lineage_of


def update_index(spec: IndexSpec, append: bool, delete: str | None, compact: bool) -> Plain:
    """Make the one requested change."""
    if append:
        return append_rows(spec)
    return compact_index(spec) if compact or delete is None else delete_rows(spec, delete)


def append_rows(spec: IndexSpec) -> Plain:
    """Add new rows of the dataset, remove lost ones; small segments are merged in a further version.

    Raises DegluError where there is no index at the spec's output, or the dataset has another encoder now.
    """
    began = time.perf_counter()
    dataset = open_dataset(spec.vectors, spec.version)
    change = live.append(spec.output, dataset, lineage_of(dataset), forgotten(dataset.url))
    merged = live.merge(spec.output) if change.published else change
    document = _document("append", spec, change, merged.manifest, began)
    document["merged"] = change.published and merged.published
    return Plain(document, _text(document))


def delete_rows(spec: IndexSpec, where: str) -> Plain:
    """Hide rows at once and permanently.  Raises InputError where the condition is not valid, or matches no row."""
    began = time.perf_counter()
    change = live.delete(spec.output, parse_where(where))
    document = _document("delete", spec, change, change.manifest, began)
    return Plain(document, _text(document))


def compact_index(spec: IndexSpec) -> Plain:
    """Delete the bytes of removed rows, and the versions that contain them."""
    began = time.perf_counter()
    change = live.compact(spec.output)
    document = _document("compact", spec, change, change.manifest, began)
    document["versions_removed"] = list(change.versions_removed)
    return Plain(document, _text(document))


def _document(verb: str, spec: IndexSpec, change: live.Change, manifest: Manifest, began: float) -> dict[str, Any]:
    return {
        "index": spec.output,
        "change": verb,
        "version": manifest.version,
        "published": change.published,
        "vectors": manifest.lineage.url,
        "vectors_version": manifest.lineage.version,
        "rows": manifest.rows,
        "added": dict(change.added),
        "removed": {reason: dict(counts) for reason, counts in change.removed.items()},
        "restored": change.restored,
        "segments": len(manifest.segments),
        "drift": {entry.part.name: entry.drift for entry in manifest.segments if entry.drift is not None},
        "warnings": list(change.warnings),
        "seconds": round(time.perf_counter() - began, 2),
    }


def _text(document: Mapping[str, Any]) -> str:
    head = f"{document['index']} version {document['version']}: {many(document['rows'], 'row')}"
    return joined([head, *_changes(document), *(f"warning   {line}" for line in document["warnings"])])


def _changes(document: Mapping[str, Any]) -> list[str]:
    spec_dataset = f"{document['vectors']} version {document['vectors_version']}"
    lines = [f"added     {_counts(document['added'])}"] if document["added"] else []
    lines += [f"removed   {_counts(counts)}, {reason}" for reason, counts in sorted(document["removed"].items())]
    if document["restored"]:
        lines.append(f"restored  {many(document['restored'], 'row')} that the dataset has again")
    if document.get("merged"):
        lines.append("merged    small segments into larger ones")
    if document.get("versions_removed"):
        gone = document["versions_removed"]
        one = len(gone) == 1
        numbers = ", ".join(map(str, gone))
        lines.append(f"deleted   version{'' if one else 's'} {numbers}, with all {'its' if one else 'their'} own files")
    if not document["published"] and not document.get("versions_removed"):
        reasons = {"append": f"it has all rows of {spec_dataset}", "compact": "there are no bytes to delete"}
        lines.append(f"unchanged {reasons[document['change']]}")
    if document["removed"]:
        lines.append("kept      the bytes stay in files until: deglu index SPEC --compact")
    if document["change"] == "compact":
        lines.append(f"check     deglu verify {quote(document['index'])}")
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{many(rows, f'{modality} row')}" for modality, rows in sorted(counts.items()))
