"""`deglu plan`: what embedding an archive will take, told from headers and a short timed sample.  Writes nothing."""

import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch

from embed.amount import Amount
from embed.archive.manifest import list_assets
from embed.dataset import open_dataset
from embed.dataset.job import read_job
from embed.dataset.log import versions
from embed.dataset.publish import committed
from embed.dataset.tombstones import forgotten
from embed.errors import InputError, SpecError
from embed.model.handle import ModelHandle, resolve_model
from embed.model.weights import load_model
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import TowerWords, words_of
from embed.segmentation.units import units_left
from embed.spec import EmbedSpec
from embed.stages import cut_stage
from embed.storage.s3 import S3
from embed.storage.store import absolute
from embed.tables import ID, SPEECH, TEXT
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent, probing
from jobs.command.terminal import many
from jobs.planning.estimate import PIPELINE, Estimate, Pace, Source, estimate
from jobs.planning.plan_words import plan_words
from jobs.planning.sample import Sample, take_sample


@dataclass(frozen=True)
class _Work:
    """What is planned, and what of it is left."""

    assets: pa.Table
    units: pa.Table  # UNITS that are left
    planned: Amount
    before: Amount
    note: str

    @property
    def left(self) -> Amount:
        return Amount(
            units=self.planned.units - self.before.units,
            sound_s=round(self.planned.sound_s - self.before.sound_s, 3),
            text_bytes=self.planned.text_bytes - self.before.text_bytes,
        )


def plan_archive(spec: EmbedSpec, progress: Progress | None = None) -> Plain:
    """Assets, hours, units, then by a sample of some twenty seconds: vectors, bytes, requests, time and price.

    What the output holds already is left out.  Raises InputError where nothing is found, SpecError where the inputs
    hold speech and the model encodes text alone, or the device is not there.
    """
    progress = progress or Silent()
    model = resolve_model(spec.model)
    words = words_of(model.spec.text.name)
    work = _work(spec, model, Cutting(spec.segment, spec.passage, words.digest), progress)
    if work.units.num_rows:
        progress.note(f"trying a sample of {work.left.units:,} units")
    sample, gpu = _sampled(spec, model, work, words)
    dim = model.spec.dims[0]
    expected = estimate(work.left, _source(spec, work), sample.speech, sample.text, dim, spec.workers, gpu, spec.rates)
    document = _document(spec, work, sample, expected, gpu, dim)
    return Plain(document, plan_words(document))


def _work(spec: EmbedSpec, model: ModelHandle, cutting: Cutting, progress: Progress) -> _Work:
    known, away = _known(absolute(spec.output))
    with probing(progress, [one.url for one in spec.inputs]) as tell:
        assets = list_assets(spec.inputs, known, tell, away)
    progress.end()
    if not model.speaks and pc.any(pc.equal(assets["modality"], SPEECH)).as_py():
        raise SpecError(f"model = {spec.model!r} encodes text alone, and the inputs hold speech; choose another model")
    done, note = _committed(spec, model, cutting)
    units, planned, before = units_left(assets, cutting, done)
    return _Work(assets, units, planned, before, note)


def _known(url: str) -> tuple[pa.Table | None, Collection[bytes]]:
    """Of an output that stands: assets that need no probing, and what was forgotten."""
    known = open_dataset(url).assets() if versions(url) else None
    return known, frozenset(forgotten(url).to_pylist())


def _committed(spec: EmbedSpec, model: ModelHandle, cutting: Cutting) -> tuple[pa.Array | pa.ChunkedArray, str]:
    """Units that the output holds already, and what is to be said of it."""
    none = pa.array([], ID)
    try:
        job = read_job(absolute(spec.output))
    except InputError:
        return none, ""
    prints = model.fingerprints
    wanted = (cutting.defining(), prints.space, prints.encoder)
    if (job.defining, job.space, job.encoder) == wanted:
        return committed(job), ""
    return none, "the output was begun with another spec: deglu embed will want --new-version, or another output"


def _sampled(spec: EmbedSpec, model: ModelHandle, work: _Work, words: TowerWords) -> tuple[Sample, bool]:
    gpu = spec.device != "cpu" and torch.cuda.is_available()
    if spec.device == "gpu" and not gpu:
        raise SpecError(
            "device = gpu: there is no GPU here to take a sample on; use device: auto, or plan where one is"
        )
    # What an actor of this machine alone would get; elsewhere it may be more.
    threads = max((os.cpu_count() or 1) // spec.workers, 1)
    units = _readable(work)
    if not units.num_rows:
        return Sample(None, None, (), 0.0, threads), gpu
    cut = cut_stage(Cutting(spec.segment, spec.passage, words.digest), words)
    encoder = load_model(model, "cuda" if gpu else "cpu", spec.precision)
    return take_sample(units, work.assets, encoder, cut, threads), gpu


def _readable(work: _Work) -> pa.Table:
    """The units of assets without a problem."""
    good = work.assets.filter(pc.is_null(work.assets["problem"]))["asset_id"].combine_chunks()
    return work.units.filter(pc.is_in(work.units["asset_id"], value_set=good))


def _source(spec: EmbedSpec, work: _Work) -> Source:
    left = pc.is_in(work.assets["asset_id"], value_set=pc.unique(work.units["asset_id"]).cast(ID))
    size = pc.sum(work.assets.filter(left)["size_bytes"], min_count=0).as_py()
    on_s3 = any(absolute(one.url).startswith(S3) for one in spec.inputs)
    return Source(work.assets.num_rows, size, on_s3, absolute(spec.output).startswith(S3))


def _document(spec: EmbedSpec, work: _Work, sample: Sample, expected: Estimate, gpu: bool, dim: int) -> dict[str, Any]:
    problems = work.assets.filter(pc.is_valid(work.assets["problem"]))
    return {
        "inputs": [one.url for one in spec.inputs],
        "output": absolute(spec.output),
        "model": spec.model,
        "workers": spec.workers,
        "assets": {"listed": work.assets.num_rows, "problems": problems.num_rows, "kinds": _kinds(work.assets)},
        "problems": problems.select(["uri", "problem"]).to_pylist(),
        "note": work.note,
        "planned": asdict(work.planned),
        "committed": asdict(work.before),
        "left": asdict(work.left),
        "measured": _measured(sample, gpu),
        "expected": {**expected.document(), "dim": dim},
        "rates": spec.rates.model_dump(),
        "assumed": _assumed(sample, gpu, work, spec.workers),
    }


def _kinds(assets: pa.Table) -> list[dict[str, Any]]:
    """Assets by modality and format; hours are None for texts, `unknown` counts recordings of unknown length."""
    speech = pc.equal(assets["modality"], SPEECH)
    unknown = pc.and_(speech, pc.and_(pc.is_null(assets["duration_s"]), pc.is_null(assets["problem"])))
    table = assets.select(["modality", "format", "size_bytes"])
    table = table.append_column("sound_s", _sound_s(assets)).append_column("unknown", unknown.cast(pa.int64()))
    sums = [("size_bytes", "sum"), ("size_bytes", "count"), ("sound_s", "sum"), ("unknown", "sum")]
    found = (
        table.group_by(["modality", "format"])
        .aggregate(sums)
        .sort_by([("modality", "ascending"), ("format", "ascending")])
    )
    return [
        {
            "modality": row["modality"],
            "format": row["format"],
            "assets": row["size_bytes_count"],
            "bytes": row["size_bytes_sum"],
            "sound_s": round(row["sound_s_sum"] or 0.0, 3) if row["modality"] == SPEECH else None,
            "unknown": row["unknown_sum"],
        }
        for row in found.to_pylist()
    ]


def _sound_s(assets: pa.Table) -> pa.ChunkedArray:
    """Of each asset: of its place in a longer recording, else of the whole."""
    place = pc.divide(pc.subtract(assets["end_ms"], assets["start_ms"]).cast(pa.float64()), 1000.0)
    return pc.coalesce(place, assets["duration_s"])


def _measured(sample: Sample, gpu: bool) -> dict[str, Any]:
    """Paces of the sample; None for a modality that gave none."""
    return {
        "device": "gpu" if gpu else "cpu",
        "threads": sample.threads,
        "wall_s": round(sample.wall_s, 1),
        "uris": list(sample.uris),
        SPEECH: _speech_pace(sample.speech, gpu),
        TEXT: _text_pace(sample.text, gpu),
    }


def _speech_pace(pace: Pace | None, gpu: bool) -> dict[str, Any] | None:
    if pace is None:
        return None
    return {
        **asdict(pace),
        "segments_per_hour": round(pace.rows_per_amount * 3600, 1),
        "times_real": round(pace.amount / max(pace.worker_s(pace.amount, gpu), 1e-9), 2),
    }


def _text_pace(pace: Pace | None, gpu: bool) -> dict[str, Any] | None:
    if pace is None:
        return None
    return {
        **asdict(pace),
        "passages_per_mb": round(pace.rows_per_amount * 1e6, 1),
        "passages_per_s": round(pace.rows / max(pace.worker_s(pace.amount, gpu), 1e-9), 2),
    }


def _assumed(sample: Sample, gpu: bool, work: _Work, workers: int) -> list[str]:
    """What the figures rest on, in whole sentences."""
    worker = "a GPU like the one here" if gpu else f"{many(sample.threads, 'thread')} of cores like those here"
    said = [f"each of {many(workers, 'worker')} has {worker}, and keeps {PIPELINE:.0%} of the sample's pace"]
    if gpu:
        said.append("enough cores beside each GPU decode and cut ahead of it")
    for pace, amount, what in (
        (sample.speech, work.left.sound_s, "sound"),
        (sample.text, work.left.text_bytes, "text"),
    ):
        if amount and pace is None:
            said.append(f"no sample of {what} could be embedded: its vectors, time and price are not in the figures")
    return [*said, "requests that fail and are sent again are not counted"]
