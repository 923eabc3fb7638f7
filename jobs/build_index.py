"""A vectors dataset becomes an index: opens the one, builds the other, reports."""

import hashlib
import time
from typing import Any

from embed.dataset import VectorsDataset, open_dataset, read_job
from embed.log import version_url
from embed.store import read_bytes
from index.artifact import Lineage, Manifest
from index.build import build
from index.spec import IndexSpec


def build_index(spec: IndexSpec, new_version: bool = False) -> dict[str, Any]:
    """Build the index of `spec`; the report as plain JSON values.

    `new_version` allows settings that differ from those of the version that stands at the output.
    Raises DegluError where the dataset is missing, empty or mixed, or where the settings do not fit it.
    """
    started = time.perf_counter()
    dataset = open_dataset(spec.vectors, spec.version)
    manifest, published = build(spec, dataset, lineage_of(dataset), new_version)
    return {**_report(spec, manifest), "published": published, "seconds": round(time.perf_counter() - started, 2)}


def lineage_of(dataset: VectorsDataset) -> Lineage:
    """Where the rows come from, so that the index can say it when the dataset has moved or is gone."""
    place, job = version_url(dataset.url, dataset.info.number), read_job(dataset.url, dataset.info.job)
    return Lineage(
        url=dataset.url,
        version=dataset.info.number,
        sha256=hashlib.sha256(read_bytes(place)).hexdigest(),
        settings={**job.defining, "model": job.model},
    )


def _report(spec: IndexSpec, manifest: Manifest) -> dict[str, Any]:
    return {
        "index": spec.output,
        "version": manifest.version,
        "vectors": manifest.lineage.url,
        "vectors_version": manifest.lineage.version,
        "space": manifest.space,
        "dims": list(manifest.dims),
        "rows": manifest.rows,
        "rows_by_modality": {segment.modality: segment.rows for segment in manifest.segments},
        "bytes": sum(file.bytes for segment in manifest.segments for file in segment.files.values()),
        "shortlist_dim": manifest.spec.shortlist_dim,
        "shortlist_depth": manifest.spec.shortlist_depth,
        "recall_at_10": {modality: found.recall_at_10 for modality, found in manifest.calibration.items()},
    }
