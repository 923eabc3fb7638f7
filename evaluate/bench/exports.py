"""Bench of `deglu export vectors`: rows a second and peak memory, for each store.

The vectors are made up: random, of 256 dims, cut to 128.  Each store is written by a new process, once for a tenth of
the rows and once for all; memory must not grow with them.  `--n` is the number of rows (a million).
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from embed.dataset import open_dataset
from embed.dataset.job import Job, open_job
from embed.dataset.publish import publish
from embed.dataset.staging import commit_unit
from embed.errors import DegluError
from embed.exports.export import export_vectors
from embed.exports.targets import TARGETS
from embed.identity import asset_id, digest
from embed.tables import FAILURES, MANIFEST, ledger_row, rows
from evaluate.bench.command import run_one
from evaluate.bench.memory import peak_mb
from evaluate.bench.shape import Row, document

ROWS, DIMS, DIM = 1_000_000, (256, 128), 128
UNIT_ROWS = 10_000
MOST_MB, MOST_GROWTH = 800.0, 1.25  # of the longer export over the shorter: allocators keep some
PACKAGES = ("pyarrow", "pylance", "apsw", "sqlite-vec")


def bench(n: int | None = None) -> dict[str, Any]:
    """Exports of n / 10 and of n made-up vectors."""
    count = n or ROWS
    with TemporaryDirectory(prefix="deglu-exports-") as folder:
        sizes = (max(1, count // 10), count)
        datasets = {size: made_up(f"{folder}/vectors-{size}", size) for size in sizes}
        found = [row for to in TARGETS for row in _rows(to, datasets, Path(folder))]
    return document("exports", found, PACKAGES)


def _rows(to: str, datasets: dict[int, str], folder: Path) -> Iterator[Row]:
    few, many = sorted(datasets)
    found = {size: _measured(to, url, folder / f"{to}-{size}") for size, url in datasets.items()}
    reason = "no peer reads this dataset"
    yield Row(f"rows a second to {to}", "none", many / found[many]["seconds"], None, "rows/s", reason=reason)
    peak, growth = found[many]["peak_mb"], found[many]["peak_mb"] / found[few]["peak_mb"]
    yield Row(f"peak of {many:,} rows to {to}", "the bound", peak, MOST_MB, "MB", goal=1.0, lower_is_better=True)
    what = f"peak of {many:,} over {few:,} rows to {to}"
    yield Row(what, "the bound", growth, MOST_GROWTH, "times", goal=1.0, lower_is_better=True)


def _measured(to: str, url: str, folder: Path) -> dict[str, float]:
    code = f"from evaluate.bench.exports import worker; worker({to!r}, {url!r}, {str(folder)!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise DegluError(f"export to {to}: the process ended with {ran.returncode}: {ran.stderr[-500:]}")
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def worker(to: str, url: str, folder: str) -> None:
    """Exports, and prints seconds and memory as JSON."""
    began = time.perf_counter()
    export_vectors(open_dataset(url), folder, to, DIM)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}))


def made_up(url: str, count: int) -> str:
    """A published dataset of `count` rows; its url."""
    job = open_job(url, {}, list(DIMS), "made-up", "made-up")
    names = [f"text-{first:08d}" for first in range(0, count, UNIT_ROWS)]
    for number, name in enumerate(names):
        _commit(job, name, min(UNIT_ROWS, count - number * UNIT_ROWS), number)
    publish(job, _manifest(names))
    return url


def _commit(job: Job, name: str, count: int, seed: int) -> None:
    unit = {"unit_id": digest("unit", name), "asset_id": asset_id(name), "content_version": "size:1;mtime:1"}
    vectors = np.random.default_rng(seed).standard_normal((count, DIMS[0]), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    schema = rows(DIMS[0])
    columns: dict[str, Any] = {
        **{key: pa.repeat(pa.scalar(value, schema.field(key).type), count) for key, value in unit.items()},
        "segment_id": pa.array([digest(name, str(number)) for number in range(count)], pa.binary(16)),
        "uri": [name] * count,
        "modality": ["text"] * count,
        "start": np.arange(count) * 100,
        "end": np.arange(1, count + 1) * 100,
        "text": [f"passage {number} of {name}, " * 4 for number in range(count)],
        "space": ["made-up"] * count,
        "encoder": ["made-up"] * count,
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).reshape(-1)), DIMS[0]),
    }
    missing = {field.name: pa.nulls(count, field.type) for field in schema if field.name not in columns}
    table = pa.table({field.name: {**columns, **missing}[field.name] for field in schema}, schema=schema)
    commit_unit(job, table, ledger_row(unit, "embedded", count), FAILURES.empty_table())


def _manifest(names: list[str]) -> pa.Table:
    assets = [
        {
            "asset_id": asset_id(name),
            "uri": name,
            "url": f"/archive/{name}",
            "modality": "text",
            "format": "txt",
            "size_bytes": 1,
            "content_version": "size:1;mtime:1",
        }
        for name in names
    ]
    return pa.Table.from_pylist(assets, schema=MANIFEST)


if __name__ == "__main__":
    sys.exit(run_one("exports", bench))
