"""Driver of `deglu retry`: embeds again the units that failed, and publishes what changed."""

from typing import TYPE_CHECKING

import pyarrow as pa

from embed.dataset.changes import before_assets
from embed.dataset.log import versions
from embed.dataset.publish import publish_draft
from embed.dataset.version import in_one
from embed.dataset.work_left import failed_left, failures_so_far, without_assets
from embed.errors import InputError
from embed.spec import EmbedSpec
from jobs.command.progress import Progress, Silent
from jobs.embedding.embed_archive import run_and_publish
from jobs.embedding.preparation import prepare
from jobs.embedding.report import EmbedReport
from jobs.embedding.watch import Watch

if TYPE_CHECKING:  # loaded where a filter is given
    from index.filter import Where


def retry_failures(spec: EmbedSpec, progress: Progress | None = None, where: "Where | None" = None) -> EmbedReport:
    """Embed again the units whose failures `where` chooses, and publish what changed; nothing else is touched.

    Files are probed again: one that was mended has new content, and replaces the old.  Raises InputError where
    nothing is published yet.
    """
    progress = progress or Silent()
    prepared = prepare(spec)
    if not versions(prepared.url):
        raise InputError(f"{prepared.url}: nothing is published yet; run `deglu embed SPEC` to its end first")
    job = prepared.job()
    with Watch.of(job, spec.workers, progress) as watch:
        publish_draft(job)  # what a retry that was killed has left
        former, failed = before_assets(job.url), failures_so_far(job.url)
        if where is not None:
            failed = failed.filter(pa.array(where.mask(failed)))
        listing = prepared.list_inputs(progress, known=without_assets(former, in_one(failed["asset_id"])))
        work = failed_left(job, former, listing, failed, prepared.cutting)
        return run_and_publish(prepared, job, work, former, watch)
