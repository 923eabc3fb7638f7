"""Driver of `deglu embed`: lists an archive, runs the units that are left, publishes a version, prints the accounting.

The same call continues after any stop; a later call embeds what is new or changed, and removes what is no longer in
the inputs.
"""

from dataclasses import replace

import pyarrow as pa

from embed.archive.selection import kinds_of
from embed.dataset.changes import KEY, before_assets, superseded
from embed.dataset.folded_since import LogEnd, log_end
from embed.dataset.job import JOBS, Job, numbers
from embed.dataset.publish import publish, publish_draft
from embed.dataset.runs import Run, is_alive, keep_passed_over, keep_plan, newest_runs, tidy_runs
from embed.dataset.work_left import WorkLeft, work_left
from embed.errors import InputError
from embed.quantities import many
from embed.segmentation.units import planned_units
from embed.spec import EmbedSpec
from embed.storage.numbered_log import entry_url
from jobs.cluster.attempts import ATTEMPTS, Attempts
from jobs.cluster.handshake import MODEL, NETWORK, File, Terms, Weights, local_files
from jobs.cluster.ray_session import ray_session
from jobs.command.progress import Progress, Silent
from jobs.embedding.encode_worker import WorkOrder
from jobs.embedding.preparation import Preparation, prepare
from jobs.embedding.report import EmbedReport, report_of
from jobs.embedding.run_units import offered_gpus, run_units
from jobs.embedding.watch import Watch

SAMPLED = 100  # units, of whose local files some must be readable on every machine


def embed_archive(
    spec: EmbedSpec, progress: Progress | None = None, new_version: bool = False, attempts: Attempts = ATTEMPTS
) -> EmbedReport:
    """Embed what is not yet embedded and publish a version; the same call continues after any stop.

    Raises InputError where nothing is found, SpecError where the output was begun with other settings (unless
    `new_version`), WorkLeftUndone with the units that no attempt could finish, or where too many assets failed.

    >>> import deglu
    >>> spec = deglu.EmbedSpec(inputs=[{"url": "archive"}], output="build/vectors", model="model")
    >>> report = deglu.embed(spec)  # starts Ray on this machine, where none runs
    >>> report.exit_code, report.version.number, report.failures
    (0, 1, 0)
    """
    progress = progress or Silent()
    prepared = prepare(spec)
    if not new_version and numbers(prepared.url):
        prepared.job()  # refused before the listing, which may take long
    former = before_assets(prepared.url, KEY)
    listing = prepared.list_inputs(progress)
    if doubt := prepared.doubt(former, listing.assets):
        raise InputError(doubt)
    job = prepared.job(new_version)  # the first write
    with Watch.of(job, spec.workers, progress) as watch:
        is_second = _is_second(job, watch.run, progress)
        publish_draft(job)  # what a run that was killed has left
        now, work = log_end(job), work_left(job, listing, prepared.cutting)
        end = None if work.again else now
        return run_and_publish(prepared, job, work, former, watch, end, backwards=is_second, attempts=attempts)


def run_and_publish(
    prepared: Preparation,
    job: Job,
    work: WorkLeft,
    former: pa.Table,
    watch: Watch,
    end: LogEnd | None = None,
    backwards: bool = False,
    attempts: Attempts = ATTEMPTS,
) -> EmbedReport:
    """Commit the units that are left and publish; `former` are the assets of the previous version.

    `end` is the end of the log when the work was planned; None where units that are committed are embedded again.
    Raises WorkLeftUndone.
    """
    watch.update(
        assets=work.assets.num_rows,
        plan=keep_plan(job.url, work.assets),
        passed_over=kinds_of(work.passed_over),
        passed_over_list=keep_passed_over(job.url, work.passed_over),
        planned=work.planned,
        before=work.before,
    )
    if work.todo.num_rows:
        _announce(work, watch.progress)  # before Ray, which takes seconds to start
        with ray_session():
            order = _order(prepared, job, work.todo, end, attempts)
            watch.update(state="embedding", device="gpu" if order.gpu else "cpu")
            todo = work.todo[::-1] if backwards else work.todo
            run_units(prepared.spec, order, todo, work.assets.num_rows, watch)
        watch.progress.end()
    return _published(prepared, job, work, former, watch)


def _order(prepared: Preparation, job: Job, todo: pa.Table, end: LogEnd | None, attempts: Attempts) -> WorkOrder:
    """Inside a Ray session, since Ray knows of the GPUs."""
    spec, gpu = prepared.spec, offered_gpus(prepared.spec)
    ahead = gpu if spec.cut_ahead is None else spec.cut_ahead
    model = prepared.model.lasting_name  # found from the folder of any worker
    device, terms = torch_device(gpu), embedding_terms(prepared, job, todo)
    return WorkOrder(
        job,
        model,
        prepared.cutting,
        spec.precision,
        gpu,
        ahead,
        spec.stall_s,
        end,
        attempts,
        device,
        terms,
        spec.compile,
    )


def embedding_terms(prepared: Preparation, job: Job, todo: pa.Table) -> Terms:
    """What every machine must prove before it gets a unit: the model, the output, and some of the local inputs."""
    model = prepared.model.lasting_name
    weights = [Weights(MODEL, "model", model, job.encoder)]
    if prepared.cutting.segment.mode != "windows":
        weights.append(Weights.of(NETWORK, "segment", "silero-vad"))
    begun = File.of("output", entry_url(job.url, job.number, JOBS))  # has a nonce of its own
    places = pa.array(range(0, todo.num_rows, 1 + todo.num_rows // SAMPLED), pa.int64())
    inputs = local_files("inputs", todo["url"].take(places).to_pylist())
    return Terms(tuple(weights), (begun, *inputs), (("output", job.url),))


def torch_device(gpu: bool) -> str:
    """Where torch computes in a worker that has one of Ray's GPUs, or none."""
    return "cuda" if gpu else "cpu"


def _published(prepared: Preparation, job: Job, work: WorkLeft, former: pa.Table, watch: Watch) -> EmbedReport:
    watch.update(state="publishing")
    planned = planned_units(work.assets, prepared.cutting)
    version = publish(job, work.assets, planned, carry=work.carry)
    report = report_of(version, work.assets, superseded(former, work.assets), watch.run, prepared.spec)
    watch.update(state="complete")
    tidy_runs(job.url)
    return replace(report, run=watch.run)


def _is_second(job: Job, mine: Run, progress: Progress) -> bool:
    """Whether another driver works on this output already: then this one begins at the other end.

    Call it once this run is written to storage: of two drivers that begin at once, one sees the other as the first.
    """
    runs = (run for run in newest_runs(job.url, 4) if run.id != mine.id and run.job == job.number)
    others = [run for run in runs if is_alive(run)]
    for run in others:
        progress.note(f"another run works on {job.url} since {run.started} ({run.host}); both share the work")
    return any(run.id < mine.id for run in others)


def _announce(work: WorkLeft, progress: Progress) -> None:
    units = f"{work.todo.num_rows:,} of {many(work.planned.units, 'unit')} to embed"
    progress.note(f"{many(work.assets.num_rows, 'asset')} listed; {units}")
    progress.begin_archive("embedding", work.planned, work.before)
