"""`deglu embed`: an archive becomes a vectors dataset.  List, plan, run what is left, publish, account.

The driver loops plan(left) -> run -> observe.  A unit is one row through Ray Data: cut by tasks, encoded and
committed by actors that hold the model.  What a killed worker took with it is left, and runs again.
"""

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
import torch

from embed import tables
from embed.accounting import imbalances
from embed.archive import EmbedSpec
from embed.dataset import (
    Job,
    Version,
    attempts,
    attempts_of,
    commit_unit,
    committed,
    mark_attempt,
    open_dataset,
    open_job,
    publish,
    versions,
)
from embed.errors import SpecError, WorkLeftUndone
from embed.manifest import list_assets
from embed.model.directory import fingerprints_of, lasting_name, load_model, model_folder, read_spec
from embed.stages import EncodeUnits, Stage, cut_stage
from embed.store import absolute
from embed.units import left, plan_units
from embed.version import GONE, REPLACED
from jobs.progress import Progress, Silent
from jobs.ray_session import ray_session
from jobs.terminal import many

log = logging.getLogger(__name__)

# A unit that was started so often and never committed kills its worker; more tries would only cost the night.
ATTEMPTS = 3


@dataclass(frozen=True)
class EmbedReport:
    """What `deglu embed` hands back: the accounting of the version that stands now."""

    url: str
    version: Version
    assets: int
    failed_assets: int
    new_units: int
    gone_assets: int
    replaced_assets: int
    failures: int
    max_failed_fraction: float

    @property
    def exit_code(self) -> int:
        """0 complete; 3 complete with failures; 1 where nothing was embedded or too many assets failed."""
        if self.version.accounting.embedded == 0 or self.failed_assets > self.max_failed_fraction * self.assets:
            return 1
        return 3 if self.version.accounting.failed or self.failures else 0

    def document(self) -> dict[str, Any]:
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
            "accounting": self.version.accounting.model_dump(),
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
        ]
        if self.gone_assets or self.replaced_assets:
            lines.append(
                f"assets   {self.gone_assets} gone and {self.replaced_assets} changed since the version before"
            )
        if self.failures:
            lines.append(f"{many(self.failures, 'failure')}; see with: deglu failures {self.url}")
        return "\n".join(lines)


def embed_archive(spec: EmbedSpec, progress: Progress | None = None) -> EmbedReport:
    """Embed what is not yet embedded and publish a version; the same call goes on after any stop.

    Raises InputError where nothing is found, SpecError where the output was begun differently, WorkLeftUndone
    naming the units that no attempt could finish.
    """
    progress = progress or Silent()
    model = read_spec(spec.model)
    prints = fingerprints_of(model, model_folder(spec.model))
    assets = list_assets(spec.inputs)
    _refuse_speech_without_tower(spec, assets)
    name = lasting_name(spec.model)
    job = open_job(absolute(spec.output), spec.cutting(), model.dims, prints.space, prints.encoder, name)
    units = plan_units(assets, spec.segment, spec.passage)
    todo = left(units, committed(job.url))
    if todo.num_rows:
        progress.note(f"{many(assets.num_rows, 'asset')} listed; {todo.num_rows} of {units.num_rows} units to embed")
        with ray_session():
            run_units(spec, job, units, todo, progress)
    tombstones = superseded(before_assets(job), assets)
    version = publish(job.url, assets, tombstones)
    dataset = open_dataset(job.url, version.number)
    ledger = dataset.ledger()
    _refuse_imbalance(job, ledger, units)
    reasons = tombstones["reason"].to_pylist()
    return EmbedReport(
        url=job.url,
        version=version,
        assets=assets.num_rows,
        failed_assets=failed_assets(ledger, assets),
        new_units=todo.num_rows,
        gone_assets=reasons.count(GONE),
        replaced_assets=reasons.count(REPLACED),
        failures=dataset.failures().num_rows,
        max_failed_fraction=spec.max_failed_fraction,
    )


def run_units(spec: EmbedSpec, job: Job, units: pa.Table, todo: pa.Table, progress: Progress) -> None:
    """Run units until none is left; what a killed worker took runs again, at most three times in all."""
    progress.begin("embedding", units.num_rows, "units")
    progress.advance(units.num_rows - todo.num_rows)
    before = attempts(job.url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            # Closed before Ray is shut down, also by Ctrl-C: its threads must not outlive what they talk to.
            with closing(_stream(spec, job, todo, before)) as ledgers:
                for row in (row for ledger in ledgers for row in ledger.to_pylist()):
                    progress.advance(1, sound_s=row["decoded_s"], failures=int(row["outcome"] == "failed"))
        except ray.exceptions.RayError as error:
            progress.note(f"attempt {attempt} of {ATTEMPTS} was cut short: {str(error).strip().splitlines()[-1]}")
        todo = left(units, committed(job.url))
        tried = attempts(job.url)
        if all(_is_exhausted(unit, tried, before) for unit in todo["unit_id"].to_pylist()):
            break  # nothing is left, or nothing that another attempt would touch
    progress.end()
    if not todo.num_rows:
        return
    names = ", ".join(sorted(set(todo["uri"].to_pylist()))[:5])
    raise WorkLeftUndone(
        f"{many(todo.num_rows, 'unit')} could not be finished in {ATTEMPTS} attempts, of {names};"
        " what is done is kept: run again"
    )


def _is_exhausted(unit: bytes, tried: Mapping[bytes, int], before: Mapping[bytes, int]) -> bool:
    """Whether the unit was started ATTEMPTS times in this run; starts of former runs do not count."""
    return tried.get(unit, 0) - before.get(unit, 0) >= ATTEMPTS


def _stream(spec: EmbedSpec, job: Job, todo: pa.Table, before: Mapping[bytes, int]) -> Any:
    """LEDGER batches as units are committed.  Storage is written by the stage, never by Ray's sinks.

    Beside a GPU, tasks on the cores cut ahead of it.  Without one the encoder takes nearly all the time there is
    (15 times that of decoding and speech detection), so its actors cut for themselves and share the cores.
    """
    stage, gpus = cut_stage(spec.segment, spec.passage), _gpus(spec)
    # One unit a block: what is lost with a worker is what it had in hand.
    units = ray.data.from_arrow([todo.slice(i, 1) for i in range(todo.num_rows)])
    if gpus:
        units = units.map_batches(stage.run, batch_size=stage.rows, batch_format="pyarrow", num_cpus=stage.cpus)
    cores = max(1.0, ray.cluster_resources().get("CPU", 1) // spec.workers)
    cut = None if gpus else stage
    ledgers = units.map_batches(
        EncodeWorker,
        fn_constructor_kwargs={"model": spec.model, "job": job, "cut": cut, "gpu": gpus > 0, "before": before},
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=spec.workers),
        num_cpus=1.0 if gpus else cores,
        num_gpus=gpus,
    )
    return iter(ledgers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))


class EncodeWorker:
    """An actor: the model, loaded once, and where its units are committed; it cuts, too, where `cut` is given."""

    def __init__(self, model: str, job: Job, cut: Stage | None, gpu: bool, before: Mapping[bytes, int]) -> None:
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        torch.set_num_threads(max(1, int(cpus)))
        encoder = load_model(model, "cuda" if gpu else "cpu")
        self._job, self._cut, self._before = job, cut, before
        self._encode = EncodeUnits(encoder, self._commit)

    def __call__(self, units: pa.Table) -> pa.Table:
        # Ray starts a killed worker again without end, and gives it the same unit: the limit is kept here.
        ids = units["unit_id"].to_pylist()
        tried = {unit: attempts_of(self._job.url, unit) for unit in ids}
        wanted = [not _is_exhausted(unit, tried, self._before) for unit in ids]
        units = units.filter(pa.array(wanted, pa.bool_()))
        if not units.num_rows:
            return tables.LEDGER.empty_table()
        for unit in units["unit_id"].to_pylist():
            mark_attempt(self._job.url, unit)
        return self._encode(self._cut.run(units) if self._cut else units)

    def _commit(self, rows: pa.Table, ledger: dict[str, Any], failures: list[dict[str, Any]]) -> None:
        commit_unit(self._job, rows, ledger, pa.Table.from_pylist(failures, schema=tables.FAILURES))


def _gpus(spec: EmbedSpec) -> float:
    offered = ray.cluster_resources().get("GPU", 0)
    if spec.device == "gpu" and not offered:
        raise SpecError("device = gpu: Ray offers no GPU here; use device: auto, or a cluster with GPUs")
    return 1.0 if spec.device != "cpu" and offered else 0.0


def before_assets(job: Job) -> pa.Table:
    """The assets of the newest version; none where nothing is published."""
    return open_dataset(job.url).assets() if versions(job.url) else tables.MANIFEST.empty_table()


def superseded(before: pa.Table, now: pa.Table) -> pa.Table:
    """Assets that changed or went since: their old rows become tombstones, with the reason."""
    current = dict(zip(now["asset_id"].to_pylist(), now["content_version"].to_pylist(), strict=True))
    rows = []
    for asset, version in zip(before["asset_id"].to_pylist(), before["content_version"].to_pylist(), strict=True):
        if current.get(asset) != version:
            reason = REPLACED if asset in current else GONE
            rows.append({"asset_id": asset, "content_version": version, "reason": reason})
    schema = pa.schema([("asset_id", tables.ID), ("content_version", pa.string()), ("reason", pa.string())])
    return pa.Table.from_pylist(rows, schema=schema)


def failed_assets(ledger: pa.Table, assets: pa.Table) -> int:
    """Assets none of whose units was embedded and one of whose units failed."""
    of = {outcome: set(ledger.filter(pc.equal(ledger["outcome"], outcome))["asset_id"].to_pylist()) for outcome in
          ("embedded", "failed")}  # fmt: skip
    return len((of["failed"] - of["embedded"]) & set(assets["asset_id"].to_pylist()))


def _refuse_imbalance(job: Job, ledger: pa.Table, units: pa.Table) -> None:
    mine = ledger.filter(pc.is_in(ledger["unit_id"], value_set=units["unit_id"].combine_chunks()))
    problems = imbalances(mine, units.num_rows)
    if problems:
        raise WorkLeftUndone(f"{job.url}: the accounting does not balance: {'; '.join(problems[:3])}")


def _refuse_speech_without_tower(spec: EmbedSpec, assets: pa.Table) -> None:
    speech = pc.any(pc.equal(assets["modality"], tables.SPEECH)).as_py()
    if speech and read_spec(spec.model).speech is None:
        raise SpecError(f"model = {spec.model!r} encodes text alone, and the inputs hold speech; choose another model")
