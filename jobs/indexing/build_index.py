"""`deglu index`: opens a vectors dataset, builds its index, reports."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.job import read_job
from embed.quantities import many, size
from embed.storage.numbered_log import entry_url
from embed.storage.store import read_bytes
from index.building.build import build
from index.building.survey import InTasks, here
from index.calibration.truth import HITS
from index.ladder import Curve, Point, plain
from index.parts.artifact import Lineage, Manifest, ModalityEntry
from index.parts.removed import read_removed
from index.spec import IndexSpec
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.command.terminal import joined
from jobs.indexing.calibration_questions import encoder_of, read_log

# With fewer rows one process finishes before Ray has started.
TASKS_FROM = 200_000


def build_index(
    spec: IndexSpec, progress: Progress | None = None, new_version: bool = False, tasks_from: int = TASKS_FROM
) -> Plain:
    """Build the index of `spec`, by Ray tasks where the dataset has more rows than `tasks_from`.

    `new_version` allows settings that differ from those of the current version at the output.
    Raises DegluError where the dataset is missing, empty or mixed, or where the settings do not fit it.

    >>> import deglu
    >>> result = deglu.build_index(deglu.IndexSpec(vectors="build/vectors", output="build/index"))
    >>> result.exit_code, result.document()["version"]
    (0, 1)
    """
    began = time.perf_counter()
    dataset = open_dataset(spec.vectors, spec.version)
    lineage = lineage_of(dataset)
    encode = encoder_of(lineage.settings, dataset.info.space)
    log = None if spec.questions is None else read_log(spec.questions, encode)
    with _tasks(spec, dataset, tasks_from, progress or Silent()) as in_tasks:
        manifest, published = build(
            spec,
            dataset,
            lineage,
            new_version,
            encode=encode,
            log=log,
            in_tasks=in_tasks,
            progress=progress or Silent(),
        )
    seconds = round(time.perf_counter() - began, 2)
    document = {**_document(spec, manifest), "published": published, "seconds": seconds}
    return Plain(document, _text(spec, manifest, document))


def lineage_of(dataset: VectorsDataset) -> Lineage:
    """Source of the rows, stored in the index, so that it is known when the dataset has moved or is deleted."""
    place, job = entry_url(dataset.url, dataset.info.number), read_job(dataset.url, dataset.info.job)
    return Lineage(
        url=dataset.url,
        version=dataset.info.number,
        sha256=hashlib.sha256(read_bytes(place)).hexdigest(),
        settings={**job.defining, "model": job.model},
    )


@contextmanager
def _tasks(spec: IndexSpec, dataset: VectorsDataset, tasks_from: int, progress: Progress) -> Iterator[InTasks]:
    if dataset.info.rows <= tasks_from or len(dataset.parts()) < 2:
        yield here
        return
    from jobs.cluster.handshake import File, Terms, check
    from jobs.cluster.machines import Machines
    from jobs.cluster.part_tasks import RayTasks  # Ray takes a second to import.
    from jobs.cluster.ray_session import ray_session

    published = File.of("vectors", entry_url(dataset.url, dataset.info.number))
    with ray_session():
        machines = Machines(partial(check, Terms(files=(published,))), progress.note)
        machines.wait_for_room()
        machines.probe_new()
        yield RayTasks(spec.workers, options=machines.options())


def _document(spec: IndexSpec, manifest: Manifest) -> dict[str, Any]:
    segments = manifest.segments
    return {
        "index": spec.output,
        "version": manifest.version,
        "vectors": manifest.lineage.url,
        "vectors_version": manifest.lineage.version,
        "space": manifest.space,
        "dims": list(manifest.dims),
        "rows": manifest.rows,
        "rows_by_modality": {segment.modality: segment.rows for segment in segments},
        "removed": read_removed(spec.output, manifest).num_rows,
        "bytes": sum(file.bytes for part in manifest.parts for file in part.files.values()),
        "coded": {segment.modality: segment.coded for segment in segments},
        "drift": {segment.modality: segment.drift for segment in segments},
        "curves": {modality: plain(entry.curves) for modality, entry in manifest.modalities.items()},
        "warnings": list(_warnings(spec, manifest)),
    }


def _text(spec: IndexSpec, manifest: Manifest, document: dict[str, Any]) -> str:
    done = "published" if document["published"] else "existed already, its files are written again"
    head = f"{spec.output} version {manifest.version}: {many(manifest.rows, 'row')}, {size(document['bytes'])}, {done}"
    rows = document["rows_by_modality"]
    lines = [f"{name:<9} {many(rows[name], 'row')}: {_promise(spec, e)}" for name, e in manifest.modalities.items()]
    if document["removed"]:
        lines.append(f"left out  {many(document['removed'], 'row')} that were deleted in the index")
    return joined([head, *lines, *(f"warning   {line}" for line in document["warnings"])])


def _promise(spec: IndexSpec, entry: ModalityEntry) -> str:
    """Recall and cost of a search with default settings."""
    point = _point(spec, entry)
    if point is None:
        return "every row is read"
    share, ms = f"{100 * point.rows_read:.2g} %", f"about {point.ms_one:.2g} ms, {point.ms_many:.2g} in a batch"
    return f"recall {spec.recall:g} by reading {share} of them, {ms}"


def _warnings(spec: IndexSpec, manifest: Manifest) -> Iterator[str]:
    for modality, entry in manifest.modalities.items():
        point = _point(spec, entry)
        if entry.curves and point is None:
            best = max(point.low for point in _usual(entry).points)
            yield (
                f"{modality}: no setting keeps recall {spec.recall:g} (at most {best:.4g}), so every row is read; "
                "ask for a lower recall, or give code_bits: 2"
            )
        if spec.latency_ms is not None and point is not None and point.ms_one > spec.latency_ms:
            yield (
                f"{modality}: recall {spec.recall:g} takes {point.ms_one:.2g} ms, more than latency_ms ="
                f" {spec.latency_ms:g}; lower the recall, or ask with --budget-ms"
            )


def _point(spec: IndexSpec, entry: ModalityEntry) -> Point | None:
    """The default setting at full width; None where every row is read."""
    return _usual(entry).for_recall(spec.recall) if entry.curves else None


def _usual(entry: ModalityEntry) -> Curve:
    """The curve at full width for ten hits."""
    return next(curve for curve in entry.curves if curve.k == HITS)
