"""`deglu verify`: an index proven whole, or told exactly in what it is not; a dataset is looked at by its own door."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from embed.dataset.log import newest_version
from embed.dataset.tombstones import forgotten
from embed.errors import DegluError
from embed.storage.store import absolute, join, listing, read_bytes
from index.parts.artifact import WITHDRAWN, Manifest, read_manifest
from index.verify import Finding, verify_index
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.command.terminal import many
from jobs.operate.verify import LINES, verify


def verify_any(url: str, number: int | None = None, progress: Progress | None = None) -> Plain:
    """Of what lies at the url, a vectors dataset or an index."""
    url = absolute(url)
    return verify_one(url, number, progress) if is_index(url) else verify(url, number, progress)


def is_index(url: str) -> bool:
    """By what its versions say, the newest that can be read."""
    for entry in reversed(listing(join(url, "versions"), ".json")):
        try:
            kind = json.loads(read_bytes(entry.url)).get("kind")
        except (ValueError, AttributeError):
            continue
        return kind in ("index", WITHDRAWN)
    return False


def verify_one(url: str, number: int | None = None, progress: Progress | None = None) -> Plain:
    """Check all of a version, the newest unless `number` says; exit code 1 where anything does not hold."""
    progress = progress or Silent()
    manifest = read_manifest(url, number)
    progress.begin("verifying", sum(len(part.files) for part in manifest.parts), "files")
    findings = verify_index(url, number, _forgotten(manifest), lambda: progress.advance(1))
    progress.end()
    return Plain(_document(url, manifest, findings), _in_words(url, manifest, findings), int(_any(findings)))


def _forgotten(manifest: Manifest) -> pa.Array | None:
    """What the dataset has taken down; None where it is out of reach, since an index stands without it."""
    try:
        return forgotten(manifest.lineage.url) if newest_version(manifest.lineage.url) else None
    except DegluError:
        return None


def _any(findings: Sequence[Finding]) -> bool:
    return any(finding.problems for finding in findings)


def _document(url: str, manifest: Manifest, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "index": url,
        "version": manifest.version,
        "vectors": manifest.lineage.url,
        "vectors_version": manifest.lineage.version,
        "whole": not _any(findings),
        "checks": [
            {"check": one.name, "holds": not one.problems, "figures": one.figures, "problems": len(one.problems)}
            for one in findings
        ],
        "problems": [{"check": one.name, "problem": problem} for one in findings for problem in one.problems],
    }


def _in_words(url: str, manifest: Manifest, findings: Sequence[Finding]) -> str:
    made = f"of {manifest.lineage.url} version {manifest.lineage.version}"
    return "\n".join([f"{url}, version {manifest.version}, {made}", *_lines(findings), *_end(findings)])


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    for one in findings:
        told = f"{many(len(one.problems), 'problem')} below; promised: " if one.problems else ""
        yield f"{'NO' if one.problems else 'ok':4}{one.name:10}{told}{one.figures}"


def _end(findings: Sequence[Finding]) -> Iterator[str]:
    problems = [(one.name, problem) for one in findings for problem in one.problems]
    if not problems:
        yield "whole: every promise holds"
        return
    yield f"\nNOT whole: {many(len(problems), 'problem')}"
    yield from (f"{name:10}{problem}" for name, problem in problems[:LINES])
    if len(problems) > LINES:
        yield f"and {len(problems) - LINES:,} more: --json has all of them"
