"""Bench of the longest recordings in a worker: peak memory, and the bytes read to start in the last hour.

A new process probes, seeks, decodes, finds speech in and cuts the first, the middle and the last unit of a recording,
as a worker does.  The first unit also reads the whole file once, for the digest that is kept of a local file.  `--n` is
the length of the longest in hours (36).
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.errors import DegluError
from embed.segmentation.cut import cut_unit
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from embed.storage import store
from evaluate.bench.command import run_one
from evaluate.bench.embed.long_recordings import KINDS, long_recording
from evaluate.bench.shape import Row, document

HOURS = (1, 6)
LONGEST_H = 36
MOST_MB = 1000.0
MOST_GROWTH = 1.1  # of the longest over the shortest: noise
PACKAGES = ("av", "soundfile", "onnxruntime")


class NoWords:
    """Recordings have no tokens."""

    digest = "none"

    def offsets(self, text: str) -> list[tuple[int, int]]:
        raise AssertionError(text)


def bench(n: int | None = None) -> dict[str, Any]:
    """Recordings of n hours, and of 1 and 6 hours where these are shorter."""
    longest = n or LONGEST_H
    hours = [*(one for one in HOURS if one < longest), longest]
    return document("memory", [row for kind in KINDS for row in rows(kind, hours)], PACKAGES)


def rows(kind: str, hours: list[int]) -> list[Row]:
    found = {one: measured(kind, one) for one in hours}
    peaks = {one: of["peak_mb"] for one, of in found.items()}
    shortest, longest = hours[0], hours[-1]
    result = [
        Row(f"peak of {one} h of {kind}", "the bound", peak, MOST_MB, "MB", goal=1.0, lower_is_better=True)
        for one, peak in peaks.items()
    ]
    if longest > shortest:
        growth, what = peaks[longest] / peaks[shortest], f"peak of {longest} h beside {shortest} h of {kind}"
        result.append(Row(what, "the bound", growth, MOST_GROWTH, "times", goal=1.0, lower_is_better=True))
    of = found[longest]
    for part in ("probe", "first unit", "middle unit", "last unit"):
        what = f"bytes read by the {part} of {longest} h of {kind} in {of['seconds'][part]:.1f} s"
        result.append(Row(what, "the whole file", of["read_mb"][part], of["file_mb"], "MB", lower_is_better=True))
    return result


def measured(kind: str, hours: int) -> dict[str, Any]:
    """Measurements of a new process.  Raises DegluError where it fails."""
    with long_recording(kind, hours) as path:
        code = f"from evaluate.bench.memory import worker; worker({str(path)!r})"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise DegluError(f"{kind} of {hours} h: the worker ended with {ran.returncode}: {ran.stderr[-500:]}")
        found: dict[str, Any] = json.loads(ran.stdout)
        return {**found, "file_mb": path.stat().st_size / 1e6}


def worker(path: str) -> None:
    """Cuts three units and prints memory, bytes and seconds as JSON."""
    meter = Meter()
    cutting = Cutting(SegmentSpec(), PassageSpec(), NoWords.digest)
    began = time.monotonic()
    units = plan_units(list_assets([InputSpec(url=path, name="long")]), cutting).to_pylist()
    read_mb, seconds = {"probe": meter.taken()}, {"probe": time.monotonic() - began}
    for name, unit in (("first", units[0]), ("middle", units[len(units) // 2]), ("last", units[-1])):
        began = time.monotonic()
        row = cut_unit(unit, cutting, NoWords())
        if row["failures"]:
            raise DegluError(f"{path}, {name} unit: {row['failures']}")
        read_mb[f"{name} unit"], seconds[f"{name} unit"] = meter.taken(), time.monotonic() - began
    sys.stdout.write(json.dumps({"peak_mb": peak_mb(), "read_mb": read_mb, "seconds": seconds, "units": len(units)}))


def peak_mb() -> float:
    """Peak resident memory of this process; unlike getrusage, without that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


class Meter:
    """Counts the bytes read through `embed.storage.store`."""

    def __init__(self) -> None:
        self._bytes = 0
        opened = store.open_input

        def counting(url: str) -> BinaryIO:
            file = opened(url)
            read = file.read

            def counted(size: int = -1) -> bytes:
                data = read(size)
                self._bytes += len(data)
                return data

            return _Counted(file, counted)  # type: ignore[return-value]

        store.open_input = counting

    def taken(self) -> float:
        """Megabytes since the last call."""
        found, self._bytes = self._bytes / 1e6, 0
        return found


class _Counted:
    """A file whose `read` is counted."""

    def __init__(self, file: BinaryIO, read: Any) -> None:
        self._file, self.read = file, read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


if __name__ == "__main__":
    sys.exit(run_one("memory", bench))
