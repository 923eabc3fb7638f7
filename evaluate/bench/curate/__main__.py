"""Bench of repeats: `python -m evaluate.bench.curate [--json] [--n N]`, N hours of speech (20) with planted repeats.

Found are repeats of which at least a second is labelled with the right moment of a broadcast of the same sound.  False
is labelled time in which nothing is repeated.  Time is CPU seconds of one process after decoding.  Memory is that of a
new process that compares four hours with 1 and with 100 hours before them, of made-up fingerprints.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from embed.encoder import SAMPLE_RATE
from embed.errors import DegluError
from embed.fingerprints.matching import Printed
from embed.fingerprints.peaks import FRAMES_PER_S, Peaks, peaks_of
from embed.identity import digest
from embed.repeats.find import BATCH, compared
from embed.repeats.table import REPEATS, Batch, batch_name, joined
from evaluate.bench.command import run_one
from evaluate.bench.curate.broadcasts import Airing, Recording, Tape, archive, speech
from evaluate.bench.curate.changes import CHANGES, UNDER_SPEECH
from evaluate.bench.memory import peak_mb
from evaluate.bench.shape import Row, document

HOURS = 20
UNIT_S, BEYOND_S = 600, 4
LEAST_S = 1.0
FOUND, FOUND_UNDER_SPEECH, RIGHT = 0.99, 0.90, 0.999
SPEED = 500.0  # audio-hours a core-hour
STORED_H = (1, 100)
MOST_GROWTH = 1.1
PEAKS_PER_S = 34  # as measured on the speech of this bench
PACKAGES = ("numba", "soxr", "av")


@dataclass
class Result:
    """Repeats of an archive as found, and the CPU seconds."""

    hours: float = 0.0
    airings: list[Airing] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    printing_s: float = 0.0
    comparing_s: float = 0.0

    def found(self, change: str) -> tuple[int, int]:
        """How many airings of a change were found, and how many there are."""
        mine = [one for one in self.airings if one.change == change]
        return sum(any(self._is_of(row, one) for row in self.rows) for one in mine), len(mine)

    def labelled(self) -> float:
        """Share of the repeated time that is labelled."""
        repeated = [one for one in self.airings if one.change]
        inside = [
            max(min(row["end_s"], one.end_s) - max(row["start_s"], one.start_s), 0.0)
            for one in repeated
            for row in self.rows
            if int(row["uri"]) == one.recording
        ]
        return float(sum(inside) / sum(one.end_s - one.start_s for one in repeated))

    def false_s(self) -> float:
        """Labelled seconds outside all airings."""
        return sum(self._outside_s(row) for row in self.rows)

    def _is_of(self, row: dict[str, Any], one: Airing) -> bool:
        begin_s = max(row["start_s"], one.start_s)
        if int(row["uri"]) != one.recording or min(row["end_s"], one.end_s) - begin_s < LEAST_S:
            return False
        of, at_s = int(row["of_uri"]), row["of_start_s"] + (begin_s - row["start_s"]) * row["speed"]
        same = (other for other in self.airings if other.item == one.item and other.recording == of)
        return any(other.start_s - 1 <= at_s <= other.end_s for other in same)

    def _outside_s(self, row: dict[str, Any]) -> float:
        here = [one for one in self.airings if one.recording == int(row["uri"])]
        times = np.arange(row["start_s"], row["end_s"], 0.1)
        inside = [(times > one.start_s - 0.5) & (times < one.end_s + 0.5) for one in here]
        return 0.1 * float(np.sum(~np.any(inside, axis=0))) if inside else float(row["end_s"] - row["start_s"])


def bench(n: int | None = None) -> dict[str, Any]:
    """n hours of speech."""
    hours = n or HOURS
    result = searched(archive(Tape(speech()), hours, of_each=max(5 * hours, 5)))
    return document("curate", [*rows(result), *memory_rows()], PACKAGES)


def searched(recordings: Iterable[Recording]) -> Result:
    """The repeats of recordings, with what was planted."""
    result = Result()
    prints: dict[bytes, Printed] = {}
    assets: dict[bytes, bytes] = {}
    uris: dict[bytes, str] = {}
    for recording in recordings:
        asset = digest("recording", recording.number)
        uris[asset] = f"{recording.number:06d}"
        result.airings += recording.airings
        result.hours += len(recording.samples) / SAMPLE_RATE / 3600
        began = time.process_time()
        for start in range(0, len(recording.samples), UNIT_S * SAMPLE_RATE):
            samples = recording.samples[start : start + (UNIT_S + BEYOND_S) * SAMPLE_RATE]
            unit = digest(asset, start)
            prints[unit], assets[unit] = Printed(asset, peaks_of(samples, start)), asset
        result.printing_s += time.process_time() - began
    _compile()
    began = time.process_time()
    table = in_batches(list(prints), prints, assets, uris)
    result.comparing_s = time.process_time() - began
    result.rows = joined(table).to_pylist()
    return result


def in_batches(
    units: Sequence[bytes], prints: dict[bytes, Printed], assets: dict[bytes, bytes], uris: dict[bytes, str]
) -> pa.Table:
    finished: list[Batch] = []
    for begin in range(0, len(units), BATCH):
        some = tuple(units[begin : begin + BATCH])
        found = compared(some, finished, lambda ids: [prints[unit] for unit in ids], assets, uris)
        finished.append(Batch(batch_name(finished[-1].name if finished else "", some), some, found))
    return pa.concat_tables([batch.rows for batch in finished])


def rows(result: Result) -> list[Row]:
    archive_name = f"{result.hours:.1f} h of speech"
    found = []
    for change in CHANGES:
        good, num = result.found(change)
        goal = FOUND_UNDER_SPEECH if change in UNDER_SPEECH else FOUND
        found.append(
            Row(
                f"repeats found, {change}: {good} of {num} in {archive_name}",
                "the bound",
                good / num,
                goal,
                "share",
                1.0,
            )
        )
    right = 1 - result.false_s() / (3600 * result.hours)
    found.append(Row("repeated time that is labelled", "all of it", result.labelled(), 1.0, "share"))
    found.append(Row("time without a false label", "the bound", right, RIGHT, "share", goal=1.0))
    for what, seconds, goal_ in (
        ("fingerprints", result.printing_s, None),
        ("comparing", result.comparing_s, None),
        ("fingerprints and comparing", result.printing_s + result.comparing_s, 1.0),
    ):
        speed = result.hours * 3600 / max(seconds, 1e-6)
        found.append(Row(f"{what} of {archive_name}", "the bound", speed, SPEED, "audio-hours/core-hour", goal_))
    return found


def memory_rows(stored_h: Sequence[int] = STORED_H) -> list[Row]:
    peaks = [measured(hours) for hours in stored_h]
    growth = peaks[-1] / peaks[0]
    what = f"peak memory, {stored_h[-1]} h of made-up fingerprints next to {stored_h[0]} h: {peaks[-1]:.0f} MB"
    return [Row(what, "the bound", growth, MOST_GROWTH, "times", goal=1.0, lower_is_better=True)]


def measured(hours: int) -> float:
    """Peak memory in MB of a process that compares an hour with so many before it."""
    code = f"from evaluate.bench.curate.__main__ import worker; worker({hours})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise DegluError(f"comparing with {hours} h ended with {ran.returncode}: {ran.stderr[-500:]}")
    return float(json.loads(ran.stdout))


def worker(hours: int) -> None:
    units = [digest("unit", number) for number in range((hours + 4) * 3600 // UNIT_S)]
    number = {unit: place for place, unit in enumerate(units)}
    old, new = units[: -4 * 3600 // UNIT_S], units[-4 * 3600 // UNIT_S :]
    empty = REPEATS.empty_table()
    finished = [Batch(str(k), tuple(old[k : k + BATCH]), empty) for k in range(0, len(old), BATCH)]
    names = {unit: unit.hex() for unit in units}
    compared(new, finished, lambda ids: [made_up(number[unit]) for unit in ids], {unit: unit for unit in units}, names)
    sys.stdout.write(json.dumps(peak_mb()))


def made_up(seed: int) -> Printed:
    """A unit's fingerprint of random peaks, as dense as that of speech."""
    rng = np.random.default_rng(seed)
    num = PEAKS_PER_S * UNIT_S
    frame = np.sort(rng.integers(0, int(UNIT_S * FRAMES_PER_S), num)).astype(np.int32)
    return Printed(digest("made-up", seed), Peaks(frame, rng.integers(0, 3_900, num).astype(np.int32)))


def _compile() -> None:
    """numba compiles on first use, which is no part of the measurement."""
    one = made_up(0)
    compared([digest(0)], [], lambda ids: [one], {digest(0): digest(0)}, {digest(0): ""})


if __name__ == "__main__":
    sys.exit(run_one("curate", bench))
