"""`deglu embed`: an archive becomes a vectors dataset.  List, plan, run what is left, publish, account.

Run again after any stop it goes on; run again tomorrow it embeds what is new or changed and buries what went.
`deglu retry` is the same walk over what failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed import tables
from embed.accounting import EMBEDDED, FAILED, imbalances
from embed.amount import Amount
from embed.archive.manifest import list_assets
from embed.dataset import open_dataset
from embed.dataset.carry_over import carriable
from embed.dataset.folded_since import LogEnd, log_end
from embed.dataset.job import Job, numbers, open_job
from embed.dataset.log import head, newest_version, versions
from embed.dataset.publish import committed, fold, publish
from embed.dataset.runs import Run, begin_run, is_alive, keep_plan, newest_runs, read_plan, tidy_runs
from embed.dataset.tombstones import forgotten
from embed.dataset.version import GONE, REPLACED, Version, key_of, read_table
from embed.errors import InputError, SpecError, WorkLeftUndone
from embed.model.handle import ModelHandle, resolve_model
from embed.segmentation.rules import Cutting, refuse_truncation
from embed.segmentation.tokens import words_of
from embed.segmentation.units import plan_units, units_left
from embed.spec import EmbedSpec
from embed.storage.store import absolute
from embed.tables import ID, SPEECH, TEXT
from jobs.cluster.ray_session import ray_session
from jobs.command.progress import Progress, Silent, probing
from jobs.command.terminal import duration, many
from jobs.embedding.encode_worker import Work
from jobs.embedding.run_units import offered_gpus, run_units
from jobs.embedding.watch import Watch
from jobs.operate.accounts import coverage, coverage_in_words
from jobs.operate.failure_filter import parse

# What of a manifest tells whether and how an asset was probed; of a million assets the rest is hundreds of megabytes.
PROBED = (
    "asset_id", "size_bytes", "content_version", "format", "columns", "duration_s", "items", "problem"
)  # fmt: skip


@dataclass(frozen=True)
class EmbedReport:
    """What `deglu embed` and `deglu retry` hand back: the accounting of the version that stands now."""

    url: str
    version: Version
    run: Run
    assets: int
    failed_assets: int
    gone_assets: int
    replaced_assets: int
    failures: int
    lost_s: float
    max_failed_fraction: float

    @property
    def new_units(self) -> int:
        """Units that this run has embedded."""
        return self.run.done.units

    @property
    def exit_code(self) -> int:
        """0 complete; 3 complete with failures; 1 where nothing was embedded or too many assets failed."""
        if self.version.accounting.embedded == 0 or self.failed_assets > self.max_failed_fraction * self.assets:
            return 1
        return 3 if self.version.accounting.failed or self.failures else 0

    def document(self) -> dict[str, Any]:
        a = self.version.accounting
        return {
            "dataset": self.url,
            "version": self.version.number,
            "assets": self.assets,
            "failed_assets": self.failed_assets,
            "gone_assets": self.gone_assets,
            "replaced_assets": self.replaced_assets,
            "new_units": self.new_units,
            "rows": self.version.rows,
            "failures": self.failures,
            "accounting": a.model_dump(),
            "coverage": coverage(a),
            "run": self.run.model_dump(mode="json"),
            "space": self.version.space,
            "encoder": self.version.encoder,
            "exit_code": self.exit_code,
        }

    def text(self) -> str:
        a = self.version.accounting
        lines = [
            f"{self.url} version {self.version.number}: {many(self.version.rows, 'vector')} of"
            f" {many(self.assets, 'asset')}, {many(self.new_units, 'unit')} new in this run",
            f"units    {a.units} listed = {a.embedded} embedded + {a.failed} failed + {a.skipped} skipped",
            f"seconds  {a.decoded_s:.1f} decoded = {a.embedded_s:.1f} embedded + {a.not_speech_s:.1f} not speech"
            f" + {a.lost_s:.1f} lost",
            *coverage_in_words(a),
            *run_in_words(self.run),
        ]
        if self.gone_assets or self.replaced_assets:
            lines.append(
                f"assets   {self.gone_assets} gone and {self.replaced_assets} changed since the version before"
            )
        if self.failures:
            lost = f", {duration(self.lost_s)} lost" if self.lost_s else ""
            lines.append(f"{many(self.failures, 'failure')}{lost}; see with: deglu failures {self.url}")
        return "\n".join(lines)


def run_in_words(run: Run) -> list[str]:
    """Planned against done, and the pace; nothing where nothing was to be done."""
    took_s = (datetime.fromisoformat(run.seen) - datetime.fromisoformat(run.started)).total_seconds()
    if not run.done.units:
        return []
    planned = Amount(run.planned.units - run.before.units, run.planned.sound_s - run.before.sound_s)
    pace = f", {run.done.sound_s / took_s:.1f}x real time" if run.done.sound_s and took_s else ""
    sound = f", {duration(planned.sound_s)} of sound" if planned.sound_s else ""
    return [
        f"run      {many(planned.units, 'unit')} planned{sound}; {run.done.units} done in {duration(took_s)}{pace},"
        f" {run.precision} on {run.device}" + (f", {many(run.restarts, 'restart')} of workers" if run.restarts else "")
    ]


@dataclass(frozen=True)
class _Begun:
    """A spec whose model was read."""

    spec: EmbedSpec
    url: str
    cutting: Cutting
    model: ModelHandle

    def job(self, new_version: bool = False) -> Job:
        """Begins the output where it is missing.  Raises SpecError where it was begun differently."""
        prints = self.model.fingerprints
        name, dims = self.model.lasting_name, self.model.spec.dims
        return open_job(self.url, self.cutting.defining(), dims, prints.space, prints.encoder, name, new_version)

    def watch(self, job: Job, progress: Progress) -> Watch:
        return Watch(job.url, begin_run(self.spec.workers).model_copy(update={"job": job.number}), progress)


def embed_archive(spec: EmbedSpec, progress: Progress | None = None, new_version: bool = False) -> EmbedReport:
    """Embed what is not yet embedded and publish a version; the same call goes on after any stop.

    Raises InputError where nothing is found, SpecError where the output was begun differently (unless
    `new_version`), WorkLeftUndone naming the units that no attempt could finish, or that too many assets failed.
    """
    progress = progress or Silent()
    begun = _begin(spec)
    if not new_version and numbers(begun.url):
        begun.job()  # refused before anything is listed, which may take long
    former = before_assets(begun.url, ["asset_id", "content_version"])
    known = _known(begun.url)
    assets = _listed(begun, known, progress)
    _refuse_lost_mount(spec, former, assets)
    job = begun.job(new_version)  # nothing is written before
    with begun.watch(job, progress) as watch:
        together, end = _together(job, watch.run, progress), log_end(job)
        carry = _carried(begun, job, assets)
        done = pa.concat_arrays([committed(job), carry])
        todo, planned, before = units_left(assets, begun.cutting, done)
        watch.update(assets=assets.num_rows, plan=keep_plan(job.url, assets), planned=planned, before=before)
        _run(begun, job, todo[::-1] if together else todo, watch, end)
        drop = _planned_no_more(begun, known, assets)
        return _published(begun, job, watch, assets, superseded(former, assets), drop, carry)


def retry_failures(spec: EmbedSpec, progress: Progress | None = None, where: Sequence[str] = ()) -> EmbedReport:
    """Embed again the units whose failures `where` chooses, and publish what changed; nothing else is touched.

    Files are probed again: one that was mended has new content, and replaces the old.  Raises InputError where
    nothing is published yet.
    """
    progress = progress or Silent()
    chosen = parse(where)
    begun = _begin(spec)
    if not versions(begun.url):
        raise InputError(f"{begun.url}: nothing is published yet; run deglu embed to its end first")
    job = begun.job()
    with begun.watch(job, progress) as watch:
        fold(job)  # what a retry that was killed has left
        former = before_assets(job.url)
        failed = _failures(job.url)
        failed = failed.filter(pa.array([chosen(row) for row in failed.to_pylist()], pa.bool_()))
        again = pc.is_in(former["asset_id"], value_set=_one(failed["asset_id"]))
        fresh = _listed(begun, former.filter(pc.invert(again)), progress)
        fresh = fresh.filter(pc.is_in(fresh["asset_id"], value_set=_one(failed["asset_id"])))
        assets = pa.concat_tables([former.filter(pc.invert(again)), fresh])
        done = committed(job)
        done = done.filter(pc.invert(pc.is_in(done, value_set=_one(failed["unit_id"]))))
        todo, planned, before = units_left(assets, begun.cutting, done)
        watch.update(assets=assets.num_rows, plan=keep_plan(job.url, assets), planned=planned, before=before)
        _run(begun, job, todo, watch)
        drop = _planned_no_more(begun, former, assets)
        return _published(begun, job, watch, assets, superseded(former, assets), drop)


def _failures(url: str) -> pa.Table:
    """FAILURES where writers go on: what a run has folded counts."""
    last = head(url)
    return tables.FAILURES.empty_table() if last is None else read_table(url, last.failures)


def before_assets(url: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The assets of the newest version; none where nothing is published."""
    newest = newest_version(url)
    if newest is None or newest.assets is None:
        return tables.MANIFEST.empty_table().select(columns or tables.MANIFEST.names)
    return read_table(url, newest.assets, columns)


def superseded(before: pa.Table, now: pa.Table) -> pa.Table:
    """Assets that changed or went since: their old rows become tombstones, with the reason."""
    old = before.select(["asset_id", "content_version"])
    old = old.filter(pc.invert(pc.is_in(key_of(old), value_set=_one(key_of(now)))))
    stays = pc.is_in(old["asset_id"], value_set=_one(now["asset_id"]))
    return old.append_column("reason", pc.if_else(stays, REPLACED, GONE))


def failed_assets(ledger: pa.Table, assets: pa.Table) -> int:
    """Assets none of whose units was embedded and one of whose units failed."""
    of = {outcome: pc.unique(ledger.filter(pc.equal(ledger["outcome"], outcome))["asset_id"])
          for outcome in (EMBEDDED, FAILED)}  # fmt: skip
    whole = of[FAILED].filter(pc.invert(pc.is_in(of[FAILED], value_set=of[EMBEDDED])))
    return int(pc.sum(pc.is_in(whole, value_set=_one(assets["asset_id"])), min_count=0).as_py())


def _begin(spec: EmbedSpec) -> _Begun:
    model = resolve_model(spec.model)
    refuse_truncation(model, spec.passage)
    cutting = Cutting(spec.segment, spec.passage, words_of(model.spec.text.name).digest)
    return _Begun(spec, absolute(spec.output), cutting, model)


def _together(job: Job, mine: Run, progress: Progress) -> bool:
    """Whether another driver was here first and works on this output now: then this one begins at the other end.

    To be asked when this run can be seen itself: of two that begin at once, one sees the other as the first.
    """
    runs = (run for run in newest_runs(job.url, 4) if run.id != mine.id and run.job == job.number)
    others = [run for run in runs if is_alive(run)]
    for run in others:
        progress.note(f"another run works on {job.url} since {run.started} ({run.host}); both go on together")
    return any(run.id < mine.id for run in others)


def _listed(begun: _Begun, known: pa.Table, progress: Progress) -> pa.Table:
    """MANIFEST of the inputs, without what was forgotten; what is known already is not probed again."""
    away = frozenset(forgotten(begun.url).to_pylist())
    with probing(progress, [one.url for one in begun.spec.inputs]) as tell:
        assets = list_assets(begun.spec.inputs, known, tell, away)
    speech = pc.any(pc.equal(assets["modality"], SPEECH)).as_py()
    if speech and not begun.model.speaks:
        raise SpecError(
            f"model = {begun.spec.model!r} encodes text alone, and the inputs hold speech; choose another model"
        )
    return assets


def _known(url: str) -> pa.Table:
    """Assets that need no probing: those of the run before, or of the version that stands."""
    for run in newest_runs(url, 2):
        if run.plan and (plan := read_plan(url, run, PROBED)).num_rows:
            return plan
    return before_assets(url, PROBED)


def _refuse_lost_mount(spec: EmbedSpec, former: pa.Table, now: pa.Table) -> None:
    kept = pc.sum(pc.is_in(former["asset_id"], value_set=_one(now["asset_id"])), min_count=0).as_py()
    gone = former.num_rows - kept
    if gone > spec.max_gone_fraction * former.num_rows:
        raise InputError(
            f"{gone} of {many(former.num_rows, 'asset')} of the version that stands are no longer in the inputs: is"
            " something not mounted? If they are gone for good: --set max_gone_fraction=1"
        )


def _planned_no_more(begun: _Begun, before: pa.Table, now: pa.Table) -> pa.Array:
    """Units of assets that could not be probed before and can be now, though their content is the same."""
    bad = before.filter(pc.is_valid(before["problem"]))
    mended = pc.and_(pc.is_null(now["problem"]), pc.is_in(now["asset_id"], value_set=_one(bad["asset_id"])))
    good = now.filter(mended)
    place = good.schema.get_field_index("problem")
    as_before = good.set_column(place, good.schema.field(place), pa.repeat(pa.scalar("as before"), good.num_rows))
    old, new = (_one(plan_units(assets, begun.cutting)["unit_id"]) for assets in (as_before, good))
    return old.filter(pc.invert(pc.is_in(old, value_set=new)))


def _carried(begun: _Begun, job: Job, assets: pa.Table) -> pa.Array:
    """Texts that the job before has embedded in the same space: they stay valid, and are not embedded again."""
    newest = newest_version(job.url)
    if newest is None or newest.job == job.number:
        return pa.array([], ID)
    texts = plan_units(assets.filter(pc.equal(assets["modality"], TEXT)), begun.cutting)["unit_id"]
    return carriable(job, texts)


def _run(begun: _Begun, job: Job, todo: pa.Table, watch: Watch, planned: LogEnd | None = None) -> None:
    spec, run = begun.spec, watch.run
    if not todo.num_rows:
        return
    watch.progress.note(f"{many(run.assets, 'asset')} listed; {todo.num_rows} of {run.planned.units} units to embed")
    watch.progress.begin_archive("embedding", run.planned, run.before)
    with ray_session():
        gpu = offered_gpus(spec)
        ahead = gpu if spec.cut_ahead is None else spec.cut_ahead
        work = Work(job, spec.model, begun.cutting, spec.precision, gpu, ahead, spec.stall_s, planned)
        watch.update(state="embedding", device="gpu" if gpu else "cpu")
        run_units(spec, work, todo, run.assets, watch)
    watch.progress.end()


def _published(
    begun: _Begun,
    job: Job,
    watch: Watch,
    assets: pa.Table,
    tombstones: pa.Table,
    drop: pa.Array,
    carry: pa.Array | None = None,
) -> EmbedReport:
    watch.update(state="publishing")
    version = publish(job, assets, tombstones, carry=carry, drop=drop)
    dataset = open_dataset(job.url, version.number)
    ledger, failures = dataset.ledger(), dataset.failures()
    _refuse_imbalance(job, ledger, watch.run.planned.units)
    watch.update(state="complete")
    tidy_runs(job.url)
    reasons = tombstones["reason"].to_pylist()
    return EmbedReport(
        url=job.url,
        version=version,
        run=watch.run,
        assets=assets.num_rows,
        failed_assets=failed_assets(ledger, assets),
        gone_assets=reasons.count(GONE),
        replaced_assets=reasons.count(REPLACED),
        failures=failures.num_rows,
        lost_s=pc.sum(failures["lost_s"], min_count=0).as_py(),
        max_failed_fraction=begun.spec.max_failed_fraction,
    )


def _refuse_imbalance(job: Job, ledger: pa.Table, planned: int) -> None:
    problems = imbalances(ledger, planned)
    if problems:
        raise WorkLeftUndone(
            f"{job.url}: the accounting does not balance: {'; '.join(problems[:3])}; see deglu verify {job.url}"
        )


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
