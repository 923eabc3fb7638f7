"""Small outputs whose rows are visible by eye, for the tests of the vectors dataset."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from embed import tables
from embed.dataset.job import Job, open_job
from embed.dataset.staging import commit_unit
from embed.identity import asset_id, digest
from embed.tables import FAILURES, MANIFEST, LedgerRow, rows

DIM = 4
VERSION = "size:1;mtime:1"


def begin(url: str, encoder: str = "encoder-1", space: str = "space-1") -> Job:
    """The job of this encoder: the one that stands, or the next."""
    return open_job(url, {"window_s": 30}, dims=[DIM, 2], space=space, encoder=encoder, new_version=True)


def unit_of(name: str) -> bytes:
    return digest("unit", name)


def asset_of(name: str) -> bytes:
    return asset_id(f"demo/{name}")


def unit_rows(name: str, texts: Iterable[str], version: str = VERSION, encoder: str = "encoder-1") -> pa.Table:
    """A row for each text; vector i is axis i."""
    table = [
        {
            "segment_id": digest(name, text),
            "asset_id": asset_of(name),
            "unit_id": unit_of(name),
            "uri": f"demo/{name}",
            "content_version": version,
            "modality": "text",
            "start": 0,
            "end": len(text),
            "text": text,
            "metadata": [("station", "Dakar")],
            "space": "space-1",
            "encoder": encoder,
            "vector": np.eye(DIM, dtype=np.float16)[place % DIM],
        }
        for place, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(table, schema=rows(DIM))


def ledger_row(name: str, num_rows: int, outcome: str = "embedded", version: str = VERSION) -> LedgerRow:
    unit = {"unit_id": unit_of(name), "asset_id": asset_of(name), "content_version": version}
    embedded_s = 10.0 if outcome == "embedded" else 0.0
    return tables.ledger_row(unit, outcome, num_rows, decoded_s=10.0, embedded_s=embedded_s, lost_s=10.0 - embedded_s)


def failures_of(name: str, *messages: str, attempts: int = 1) -> pa.Table:
    common = {"unit_id": unit_of(name), "asset_id": asset_of(name), "uri": f"demo/{name}", "attempts": attempts}
    lost = {"stage": "decode", "error_class": "InputError", "start": 0, "end": None, "lost_s": 10.0}
    return pa.Table.from_pylist([{**common, **lost, "message": message} for message in messages], schema=FAILURES)


def commit(job: Job, name: str, *texts: str, version: str = VERSION) -> None:
    table = unit_rows(name, texts, version, job.encoder)
    commit_unit(job, table, ledger_row(name, table.num_rows, version=version), failures_of(name))


def commit_failed(job: Job, name: str, message: str, attempts: int = 1) -> None:
    commit_unit(job, unit_rows(name, []), ledger_row(name, 0, "failed"), failures_of(name, message, attempts=attempts))


def manifest(*names: str, version: str = VERSION) -> pa.Table:
    table = [
        {
            "asset_id": asset_of(name),
            "uri": f"demo/{name}",
            "url": f"/archive/{name}",
            "modality": "text",
            "format": "txt",
            "size_bytes": 1,
            "content_version": version,
        }
        for name in names
    ]
    return pa.Table.from_pylist(table, schema=MANIFEST)
