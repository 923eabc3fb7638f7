"""Accounting: totals over ledger rows, of units and of seconds, checked against what was listed."""

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

EMBEDDED, FAILED, SKIPPED = "embedded", "failed", "skipped"
TOLERANCE_S = 0.001  # of each unit: spans are whole milliseconds


class Accounting(BaseModel):
    """Totals of a job or a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: int
    embedded: int
    failed: int
    skipped: int
    rows: int
    decoded_s: float
    embedded_s: float
    not_speech_s: float
    lost_s: float


def account(ledger: pa.Table) -> Accounting:
    """Totals of a LEDGER table that holds each unit once."""
    embedded, failed, skipped = (
        pc.sum(pc.equal(ledger["outcome"], outcome), min_count=0).as_py() for outcome in (EMBEDDED, FAILED, SKIPPED)
    )
    return Accounting(
        units=ledger.num_rows,
        embedded=embedded,
        failed=failed,
        skipped=skipped,
        rows=pc.sum(ledger["rows"], min_count=0).as_py(),
        **{name: _seconds(ledger[name]) for name in ("decoded_s", "embedded_s", "not_speech_s", "lost_s")},
    )


def imbalances(ledger: pa.Table, listed: int) -> list[str]:
    """One line for each sum that does not match; [] when everything is accounted for.

    `listed` is the manifest's number of units.  Seconds are checked unit by unit, so that errors cannot cancel.
    """
    totals = account(ledger)
    problems = []
    done = totals.embedded + totals.failed + totals.skipped
    if listed != done:
        problems.append(
            f"{listed} units listed, but {totals.embedded} embedded + {totals.failed} failed"
            f" + {totals.skipped} skipped = {done}"
        )
    return problems + [_line(row) for row in ledger.filter(_unbalanced(ledger)).to_pylist()]


def _unbalanced(ledger: pa.Table) -> pa.ChunkedArray:
    accounted = pc.add(pc.add(ledger["embedded_s"], ledger["not_speech_s"]), ledger["lost_s"])
    # Slightly more than the tolerance, since a millisecond is no binary fraction.
    return pc.greater(pc.abs(pc.subtract(ledger["decoded_s"], accounted)), TOLERANCE_S * 1.001)


def _line(row: dict[str, object]) -> str:
    unit = row["unit_id"].hex() if isinstance(row["unit_id"], bytes) else row["unit_id"]
    parts = f"{row['embedded_s']} embedded + {row['not_speech_s']} not speech + {row['lost_s']} lost"
    return f"unit {unit}: {row['decoded_s']} s decoded, but {parts}"


def _seconds(column: pa.ChunkedArray) -> float:
    """Rounded to the millisecond, so that the order of the sum has no effect."""
    return float(round(pc.sum(column, min_count=0).as_py(), 3))
