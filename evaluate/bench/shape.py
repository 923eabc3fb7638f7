"""The document of a bench: its rows, machine and versions, in the same shape for every bench."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measurement against one peer.  `theirs` is None where the peer has no number; `reason` says why."""

    measure: str  # e.g. "qps@recall0.99 batch"
    against: str  # the peer
    ours: float
    theirs: float | None
    unit: str
    goal: float | None = None  # the ratio to reach
    reason: str | None = None
    lower_is_better: bool = False  # seconds, bytes

    def __post_init__(self) -> None:
        if self.theirs is None and not self.reason:
            raise ValueError(f"{self.measure} against {self.against}: theirs is None; give the reason")

    @property
    def ratio(self) -> float | None:
        """How much better ours is: above 1 means better, in any unit.  None where a number is missing or zero."""
        better, worse = (self.theirs, self.ours) if self.lower_is_better else (self.ours, self.theirs)
        return better / worse if better is not None and worse else None

    @property
    def met(self) -> bool | None:
        """Whether the ratio reaches the goal; None where either is missing."""
        return None if self.ratio is None or self.goal is None else self.ratio >= self.goal


def document(bench: str, rows: Sequence[Row], packages: Sequence[str] = ()) -> dict[str, Any]:
    """The rows as plain JSON values, with date (UTC), machine, and versions of Python, numpy and `packages`."""
    return {
        "bench": bench,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(("numpy", *packages)),
        "rows": [plain(row) for row in rows],
    }


def machine() -> str:
    """Processor, cores that this process may use, memory, system: a reader needs them to judge a speed."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory_gib:.0f} GiB, {platform.system()}"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions by distribution name; "not installed" for a missing peer."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON values, with its ratio and whether it meets its goal."""
    values = {
        "measure": row.measure,
        "against": row.against,
        "ours": row.ours,
        "theirs": row.theirs,
        "unit": row.unit,
        "ratio": row.ratio,
        "goal": row.goal,
        "met": row.met,
    }
    return values if row.reason is None else values | {"reason": row.reason}
