"""`deglu failures --skipped`: files that have no vectors and are no failures, by kind, read from storage alone.

Files that the listing passed over, and those of the newest version in which there is nothing to embed.
"""

from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import SKIPPED
from embed.archive.selection import in_words, kinds_of
from embed.dataset import open_dataset
from embed.dataset.job import read_job
from embed.dataset.log import versions
from embed.dataset.runs import newest_runs, read_passed_over
from embed.dataset.version import in_one
from embed.quantities import many
from embed.tables import PASSED_OVER, SPEECH
from jobs.command.output import Plain
from jobs.command.terminal import add_row, drawn, table_of

if TYPE_CHECKING:  # loaded where a filter is given
    from index.filter import Where

RUNS = 5  # newest runs that are read: more drivers at once are not expected
EXAMPLES = 5  # of a kind, for people; --json has all files
SILENT, BLANK = "recording with no speech", "text with no words"


def passed_over(url: str, where: "Where | None" = None) -> Plain:
    """The files that the newest listing passed over, and assets without speech or text, filtered by `where`.

    Raises InputError where there is no dataset.
    """
    job = read_job(url)
    run = next((run for run in newest_runs(job.url, RUNS) if run.plan), None)
    empty, reasons = _empty(job.url)
    files = pa.concat_tables([read_passed_over(job.url, run) if run else PASSED_OVER.empty_table(), empty])
    if where is not None:
        files = files.filter(pa.array(where.mask(files)))
    document = {
        "dataset": job.url,
        "listed": run.started if run else None,
        "where": None if where is None else where.text,
        "count": files.num_rows,
        "kinds": [_kind(files, kind, count) for kind, count in kinds_of(files).items()],
        "files": [
            file | ({"reason": reasons[file["uri"]]} if file["uri"] in reasons else {}) for file in files.to_pylist()
        ],
    }
    return Plain(document, _text(document, reasons))


def passed_over_text(counts: Mapping[str, int], url: str) -> list[str]:
    """`passed   15 files passed over: 12 pictures, ...`: one line, or none where every file is an asset."""
    if not counts:
        return []
    files = many(sum(counts.values()), "file")
    return [f"passed   {files} passed over: {in_words(counts)}; see with: deglu failures --skipped {quote(url)}"]


def _empty(url: str) -> tuple[pa.Table, dict[str, str]]:
    """PASSED_OVER of the newest version's assets all of whose units are skipped; by uri why the first of them was."""
    if not versions(url):
        return PASSED_OVER.empty_table(), {}
    dataset = open_dataset(url)
    ledger, assets = dataset.ledger(), dataset.assets()
    skipped = pc.equal(ledger["outcome"], SKIPPED)
    others = pc.is_in(assets["asset_id"], value_set=in_one(ledger.filter(pc.invert(skipped))["asset_id"]))
    empty = pc.and_not(pc.is_in(assets["asset_id"], value_set=in_one(ledger.filter(skipped)["asset_id"])), others)
    found = assets.filter(empty)
    kinds = pc.if_else(pc.equal(found["modality"], SPEECH), SILENT, BLANK)
    first = pc.index_in(in_one(found["asset_id"]), value_set=in_one(ledger["asset_id"]))
    reasons = zip(found["uri"].to_pylist(), in_one(ledger["reason"]).take(first).to_pylist(), strict=True)
    return pa.table([found["uri"], kinds], schema=PASSED_OVER), {uri: reason for uri, reason in reasons if reason}


def _kind(files: pa.Table, kind: str, count: int) -> dict[str, Any]:
    uris = files.filter(pc.equal(files["kind"], kind))["uri"].slice(0, EXAMPLES).to_pylist()
    return {"kind": kind, "count": count, "examples": uris}


def _text(document: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    listed = f"listed {document['listed']}" if document["listed"] else "nothing listed yet"
    filtered = f" where {document['where']}" if document["where"] else ""
    count = many(document["count"], "file")
    head = f"{document['dataset']}, {listed}: {count} without vectors that are no failures{filtered}"
    if not document["count"]:
        return head
    table = table_of("count", "kind", "files", right=("count",))
    for kind in document["kinds"]:
        more = kind["count"] - len(kind["examples"])
        add_row(
            table,
            f"{kind['count']:,}",
            kind["kind"],
            [*(_example(uri, reasons) for uri in kind["examples"]), *([f"and {more:,} more"] if more else [])],
        )
    lines = [head, "", drawn(table)]
    if any(kind["count"] > EXAMPLES for kind in document["kinds"]):
        lines += ["", f"--json has all of them, --where selects: --where \"kind = '{document['kinds'][0]['kind']}'\""]
    return "\n".join(lines)


def _example(uri: str, reasons: Mapping[str, str]) -> str:
    return f"{uri}: {reasons[uri]}" if uri in reasons else uri
