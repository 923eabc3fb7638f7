"""Plan of embedding an archive: amounts, time and price, from headers and a short timed sample.  Writes nothing."""

import os
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.work_left import WorkLeft
from embed.errors import SpecError
from embed.quantities import many
from embed.segmentation.tokens import words_of
from embed.spec import EmbedSpec
from embed.stages import cut_stage
from embed.storage.store import absolute, local_path
from embed.tables import ID, SPEECH, TEXT
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.embedding.preparation import Preparation, prepare
from jobs.planning.estimate import PIPELINE, Estimate, Pace, Source, estimate
from jobs.planning.left import left_document
from jobs.planning.plan_words import plan_text
from jobs.planning.sample import Sample, take_sample


def plan_archive(spec: EmbedSpec, progress: Progress | None = None) -> Plain:
    """Assets, hours, units, then by a sample of some twenty seconds: vectors, bytes, requests, time and price.

    Units that the output contains already are left out.  Raises InputError where nothing is found, SpecError where the
    inputs contain speech and the model encodes text only, or the device is missing.
    """
    progress = progress or Silent()
    prepared = prepare(spec)
    work, note = prepared.work(progress)
    if work.todo.num_rows:
        progress.note(f"encoding a sample of {many(work.left.units, 'unit')}")
    sample, gpu = _sampled(prepared, work)
    dim = prepared.model.spec.dims[0]
    expected = estimate(work.left, _source(spec, work), sample.speech, sample.text, dim, spec.workers, gpu, spec.rates)
    document = _document(spec, work, note, sample, expected, gpu, dim)
    return Plain(document, plan_text(document))


def _sampled(prepared: Preparation, work: WorkLeft) -> tuple[Sample, bool]:
    import torch  # late: listing needs no torch

    from embed.model.weights import load_model

    spec = prepared.spec
    gpu = spec.device != "cpu" and torch.cuda.is_available()
    if spec.device == "gpu" and not gpu:
        raise SpecError(
            "device = gpu: this machine has no GPU to take a sample on; use device: auto, or plan on one that has"
        )
    # Threads of an actor where this machine runs all workers; elsewhere it may have more.
    threads = max((os.cpu_count() or 1) // spec.workers, 1)
    units = _readable(work)
    if not units.num_rows:
        return Sample(None, None, (), 0.0, threads, threads), gpu
    cut = cut_stage(prepared.cutting, words_of(prepared.model.spec.text.name))
    encoder = load_model(prepared.model, "cuda" if gpu else "cpu", spec.precision, compiled=spec.compile)
    return take_sample(units, work.assets, encoder, cut, threads, gpu=gpu), gpu


def _readable(work: WorkLeft) -> pa.Table:
    """The units of assets without a problem."""
    good = work.assets.filter(pc.is_null(work.assets["problem"]))["asset_id"].combine_chunks()
    return work.todo.filter(pc.is_in(work.todo["asset_id"], value_set=good))


def _source(spec: EmbedSpec, work: WorkLeft) -> Source:
    left = pc.is_in(work.assets["asset_id"], value_set=pc.unique(work.todo["asset_id"]).cast(ID))
    size = pc.sum(work.assets.filter(left)["size_bytes"], min_count=0).as_py()
    remote = any(local_path(one.url) is None for one in spec.inputs)
    return Source(work.assets.num_rows, size, remote, local_path(spec.output) is None)


def _document(
    spec: EmbedSpec, work: WorkLeft, note: str, sample: Sample, expected: Estimate, gpu: bool, dim: int
) -> dict[str, Any]:
    left = left_document(work, note)
    problems = work.assets.filter(pc.is_valid(work.assets["problem"]))
    return {
        "inputs": [one.url for one in spec.inputs],
        "output": absolute(spec.output),
        "model": spec.model,
        "workers": spec.workers,
        **left,
        "assets": {**left["assets"], "kinds": _kinds(work.assets)},
        "problems": problems.select(["uri", "problem"]).to_pylist(),
        "measured": _measured(sample, gpu),
        "expected": {**expected.document(), "dim": dim},
        "rates": spec.rates.model_dump(),
        "assumed": _assumed(sample, gpu, work, spec.workers),
    }


def _kinds(assets: pa.Table) -> list[dict[str, Any]]:
    """Assets by modality and format; `sound_s` is None for texts, `unknown` counts recordings of unknown length."""
    speech = pc.equal(assets["modality"], SPEECH)
    sound_s = _sound_s(assets)
    unknown = pc.and_(speech, pc.and_(pc.is_null(sound_s), pc.is_null(assets["problem"])))
    table = assets.select(["modality", "format", "size_bytes"])
    table = table.append_column("sound_s", sound_s).append_column("unknown", unknown.cast(pa.int64()))
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
    """Seconds of each asset: of its span in a longer recording, else of the whole file."""
    place = pc.divide(pc.subtract(assets["end_ms"], assets["start_ms"]).cast(pa.float64()), 1000.0)
    return pc.coalesce(place, assets["duration_s"])


def _measured(sample: Sample, gpu: bool) -> dict[str, Any]:
    """Paces of the sample; None for a modality without one."""
    return {
        "device": "gpu" if gpu else "cpu",
        "threads": sample.used,
        "waited": round(sample.waited, 3),
        "busy": sample.is_busy,
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count() or 1,
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


def _assumed(sample: Sample, gpu: bool, work: WorkLeft, workers: int) -> list[str]:
    """The assumptions behind the figures, as sentences."""
    worker = "a GPU like the one here" if gpu else f"{many(sample.threads, 'thread')} of cores like those here"
    lines = [f"each of {many(workers, 'worker')} has {worker}, and reaches {100 * PIPELINE:.0f} % of the sample's pace"]
    if gpu:
        lines.append("each GPU has enough CPU cores to decode and cut ahead of it")
    for pace, amount, kind in (
        (sample.speech, work.left.sound_s, "sound"),
        (sample.text, work.left.text_bytes, "text"),
    ):
        if amount and pace is None:
            lines.append(f"no sample of {kind} could be embedded: its vectors, time and price are not in the figures")
    return [*lines, "requests that fail and are sent again are not counted"]
