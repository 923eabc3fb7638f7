"""Bench of resuming a stopped job: read the ledger, plan the archive, find the units that are left.

The archive is made up, of recordings of fifty minutes, five units each; so is the ledger, in segments like those of a
long run.  Each measurement is a process of its own that imports only `embed`, from its start to its end, without
listing the archive.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from embed.accounting import account
from embed.dataset.job import Job, open_job
from embed.dataset.log import place_after
from embed.dataset.version import LEDGER_ROWS, TOMBSTONES, Version, write_table
from embed.errors import DegluError
from embed.identity import asset_id
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from embed.storage.numbered_log import create_entry
from embed.tables import FAILURES, MANIFEST
from evaluate.bench.command import run_one
from evaluate.bench.shape import Row, document

SIZES = (0, 10_000, 1_000_000)
SECONDS, MEGABYTES = 10.0, 500.0  # limits for a million units
LEFT_ASSETS = 100
UNITS_EACH = 5
SEGMENTS = 20
CUTTING = Cutting(SegmentSpec(mode="windows"), PassageSpec(), "made-up")

CHILD = """
import json, sys
from embed.segmentation.rules import Cutting
from embed.dataset import open_dataset
from embed.dataset.job import read_job
from embed.dataset.publish import committed
from embed.segmentation.units import units_left
job = read_job(sys.argv[1])
done = committed(job)
left, planned, before = units_left(open_dataset(job.url).assets(), Cutting.of(job.defining), done)
assert "torch" not in sys.modules and "ray" not in sys.modules
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"left": left.num_rows, "planned": planned.units, "before": before.units, "kb": int(peak.split()[1])}))
"""


def bench(n: int | None = None) -> dict[str, Any]:
    """Measure with no, 10,000 and n committed units (a million by default)."""
    rows = []
    for count in (*SIZES[:-1], n or SIZES[-1]):
        with TemporaryDirectory(prefix="deglu-resume-") as folder:
            seconds, megabytes = resumed(made_up(f"{folder}/out", count), count)
        what = f"with {count:,} committed units"
        rows += [
            _within(f"start-up {what}", seconds, SECONDS, "s"),
            _within(f"peak memory {what}", megabytes, MEGABYTES, "MB"),
        ]
    return document("resume", rows, ("pyarrow",))


def _within(measure: str, ours: float, limit: float, unit: str) -> Row:
    return Row(measure, "the limit", ours, limit, unit, goal=1.0, lower_is_better=True)


def resumed(url: str, count: int) -> tuple[float, float]:
    """Seconds and peak MB of a new process that finds the units that are left when `count` units are done."""
    house = Path(__file__).resolve().parents[2]
    began = time.perf_counter()
    child = subprocess.run([sys.executable, "-c", CHILD, url], cwd=house, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if child.returncode:
        raise DegluError(f"the resuming process failed: {child.stderr.strip().splitlines()[-1]}")
    found = json.loads(child.stdout)
    if (found["before"], found["left"]) != (count, found["planned"] - count):
        raise DegluError(f"{count} units were committed, the resuming process found {found}")
    return seconds, found["kb"] / 1000


def made_up(url: str, count: int) -> str:
    """A published version of an archive, the first `count` units of which are committed; its url."""
    assets = _manifest(-(-count // UNITS_EACH) + LEFT_ASSETS)
    job = open_job(url, CUTTING.defining(), [384], "made-up", "made-up")
    units = plan_units(assets, CUTTING).select(["unit_id", "asset_id", "content_version"]).slice(0, count)
    order = np.random.default_rng(7).permutation(count)  # units end in another order than they are planned in
    parts = [_ledger(units.take(part)) for part in np.array_split(order, SEGMENTS) if len(part)]
    _publish(job, assets, parts)
    return job.url


def _manifest(count: int) -> pa.Table:
    uris = [f"radio/{number // 365:04d}/{number:07d}.mp3" for number in range(count)]
    columns = {
        "asset_id": pa.array(map(asset_id, uris), pa.binary(16)),
        "uri": uris,
        "url": [f"s3://archive/{uri}" for uri in uris],
        "modality": ["speech"] * count,
        "format": ["audio"] * count,
        "size_bytes": np.full(count, 48_000_000),
        "content_version": [f"etag:{number:032x}" for number in range(count)],
        "duration_s": np.full(count, 600.0 * UNITS_EACH),
    }
    missing = {field.name: pa.nulls(count, field.type) for field in MANIFEST if field.name not in columns}
    return pa.table({name: {**columns, **missing}[name] for name in MANIFEST.names}, schema=MANIFEST)


def _ledger(units: pa.Table) -> pa.Table:
    count = units.num_rows
    columns = {
        **{name: units[name] for name in units.column_names},
        "outcome": ["embedded"] * count,
        "rows": np.full(count, 40),
        "decoded_s": np.full(count, 600.0),
        "embedded_s": np.full(count, 480.0),
        "not_speech_s": np.full(count, 120.0),
        "lost_s": np.zeros(count),
        "reason": pa.nulls(count, pa.string()),
        "description": pa.nulls(count, pa.binary(16)),
        "digest": pa.nulls(count, LEDGER_ROWS.field("digest").type),
        "commit": pa.array([number.to_bytes(16, "little") for number in range(count)], pa.binary(16)),
    }
    return pa.table(columns, schema=LEDGER_ROWS)


def _publish(job: Job, assets: pa.Table, parts: list[pa.Table]) -> None:
    ledger = pa.concat_tables([LEDGER_ROWS.empty_table(), *parts])
    version = Version(
        **place_after(None),
        job=job.number,
        complete=True,
        dims=job.dims,
        metric=job.metric,
        space=job.space,
        encoder=job.encoder,
        rows=40 * ledger.num_rows,
        accounting=account(ledger),
        data=(),
        ledger=tuple(write_table(job.url, "ledger", part, 1) for part in parts),
        failures=write_table(job.url, "failures", FAILURES.empty_table(), 1),
        tombstones=write_table(job.url, "tombstones", TOMBSTONES.empty_table(), 1),
        assets=write_table(job.url, "assets", assets, 1),
    )
    create_entry(job.url, version)


if __name__ == "__main__":
    sys.exit(run_one("resume", bench))
