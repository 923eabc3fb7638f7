"""Work left of an archive, as a document and as text: for `deglu plan`, and for --dry-run of `embed` and `retry`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from embed.archive.selection import kinds_of
from embed.dataset.work_left import WorkLeft
from embed.errors import DegluError
from embed.spec import EmbedSpec
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.command.terminal import joined
from jobs.embedding.preparation import prepare
from jobs.operate.list_failures import failures
from jobs.planning.plan_words import left_text

if TYPE_CHECKING:  # loaded where a filter is given
    from index.filter import Where

KEYS = ("assets", "passed_over", "planned", "committed", "left", "carried_units", "dropped_units")


def embedding_left(spec: EmbedSpec, progress: Progress | None = None, new_version: bool = False) -> Plain:
    """The work that `deglu embed` would do now.  Inputs are listed and new files probed; nothing is written.

    Never raises DegluError: a dry run checks the spec, and may run where inputs or model cannot be reached; the note
    then has the reason, and the other values are None.
    """
    try:
        work, note = prepare(spec).work(progress or Silent())
    except DegluError as error:
        reason = f"the work left is unknown: {error}"
        return Plain({**dict.fromkeys(KEYS), "note": reason}, f"note      {reason}")
    document = left_document(work, "" if new_version else note)
    listed, problems = document["assets"]["listed"], document["assets"]["problems"]
    unreadable = f", {problems:,} with problems" if problems else ""
    lines = [f"assets    {listed:,} listed{unreadable}", *left_text(document)]
    return Plain(document, joined(lines))


def retry_left(spec: EmbedSpec, progress: Progress | None = None, where: "Where | None" = None) -> Plain:
    """The failures that `deglu retry` would try again; nothing is written.

    Never raises DegluError, as `embedding_left`.
    """
    try:
        found = failures(spec.output, where)
    except DegluError as error:
        return Plain({"count": None, "note": str(error)}, f"note      what would be tried again is unknown: {error}")
    return Plain(found.values, f"would be tried again\n{found.text()}")


def left_document(work: WorkLeft, note: str) -> dict[str, Any]:
    """Assets, and units with their sound and text: planned, committed before, left."""
    problems = pc.sum(pc.is_valid(work.assets["problem"]), min_count=0).as_py()
    return {
        "assets": {"listed": work.assets.num_rows, "problems": problems},
        "passed_over": kinds_of(work.passed_over),
        "planned": asdict(work.planned),
        "committed": asdict(work.before),
        "left": asdict(work.left),
        "carried_units": len(work.carry),
        "dropped_units": work.dropped,
        "note": note,
    }
