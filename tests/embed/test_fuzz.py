"""Damaged recordings through the real path, in processes of their own: a crash or a hang is seen and has a seed."""

import multiprocessing as mp
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from embed.accounting import TOLERANCE_S
from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.encoder import FloatArray
from embed.segmentation.cut import cut_unit
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from embed.tables import CutUnit, FailureRow
from tests.embed.mutations import WHOLE, Mutant, mutant, originals, write

WORKERS = 2
SECONDS_EACH = 60.0
UNITS_EACH = 12  # a lie of days is hundreds of units: the first, and the last, speak for them
MOST_BYTES = 1_000_000_000  # resident, of a worker: what a production worker may take
UNIT_S = 10  # so that damage lies now in a unit, now in its halo
IN_TESTS, IN_CAMPAIGN = 50, 2000
SPREAD = 331  # a prime: the fifty of `make test` meet every kind and every damage


class NoWords:
    """Recordings have no tokens."""

    digest = "none"

    def offsets(self, text: str) -> list[tuple[int, int]]:
        raise AssertionError(text)


def outcome(path: str) -> dict[str, Any]:
    """What became of one file: units, rows, seconds, failures and what does not add up."""
    manifest = list_assets([InputSpec(url=path, name="in", modality="speech")])
    (duration_s,) = manifest["duration_s"].to_pylist()
    long_s = duration_s or 0.0
    unit_s = UNIT_S if long_s < 60 else 60 if long_s < 600 else 600
    cutting = Cutting(SegmentSpec(unit_s=unit_s), PassageSpec(), NoWords.digest)
    units = plan_units(manifest, cutting).to_pylist()
    tried = units if len(units) <= UNITS_EACH else [*units[: UNITS_EACH - 1], units[-1]]
    cuts = [cut_unit(unit, cutting, NoWords()) for unit in tried]
    failures = [one for row in cuts for one in row["failures"]]
    return {
        "units": len(cuts),
        "rows": sum(len(row["segments"]) for row in cuts),
        "failures": [(one["stage"], one["error_class"], one["message"]) for one in failures],
        "wrong": [problem for row in cuts for problem in wrongs(row, path)],
        "lost_s": sum(row["lost_s"] for row in cuts),
        "most_bytes": _peak_bytes(),
    }


def wrongs(row: CutUnit, path: str) -> list[str]:
    """What of a unit's row does not add up."""
    found = []
    embedded_s = row["decoded_s"] - row["not_speech_s"] - row["lost_s"]
    union_ms = _union([(one["start"], one["end"]) for one in row["segments"]])
    if min(embedded_s, row["not_speech_s"], row["lost_s"]) < -TOLERANCE_S:
        found.append(f"negative seconds: {row['decoded_s']}, {row['not_speech_s']}, {row['lost_s']}")
    # Segments of the unit before may reach into this one, and its own may reach into the next, or hold lost sound.
    if row["decoded_s"] and not row["failures"] and not row["segments"] and embedded_s > 20.5:
        found.append(f"{embedded_s} s embedded, but no segments")
    if union_ms and embedded_s + row["lost_s"] < 0.001:
        found.append(f"{union_ms} ms of segments, nothing embedded")
    if row["lost_s"] > TOLERANCE_S and not row["failures"]:
        found.append(f"{row['lost_s']} s lost without a failure")
    if not row["decoded_s"] and not row["failures"] and row["planned"] > 500:
        found.append("nothing decoded, no failure")
    found += [f"unclear failure {one}" for one in row["failures"] if not _is_clear(one, path)]
    signal = len(row["signal"] or b"") // 4
    ends = [(one["offset"] or 0) + (one["length"] or 0) for one in row["segments"]]
    found += ["a segment outside of its signal" for end in ends if end > signal]
    return found


def _is_clear(failure: FailureRow, path: str) -> bool:
    message = failure["message"]
    return bool(failure["stage"] and failure["error_class"] and Path(path).name in message and "\n" not in message)


def _union(spans: list[tuple[int, int]]) -> int:
    total, reached = 0, 0
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _serve(pipe: Connection) -> None:
    """A worker: paths in, outcomes out."""
    while (path := pipe.recv()) is not None:
        try:
            pipe.send(outcome(path))
        except Exception as error:
            pipe.send({"raised": f"{type(error).__name__}: {error}"})


class Worker:
    """A fresh process, and the file it has in hand."""

    def __init__(self) -> None:
        context = mp.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.hand: Mutant | None = None
        self.began = 0.0

    def give(self, one: Mutant, folder: Path) -> None:
        self.hand, self.began = one, time.monotonic()
        self.pipe.send(str(write(one, folder)))

    def answer(self) -> dict[str, Any] | None:
        """The outcome, or what killed the worker; None while it works."""
        try:
            if self.pipe.poll(0.01):
                found: dict[str, Any] = self.pipe.recv()
                return found
        except EOFError:
            self.process.join()
            return {"died": f"the worker died with {self.process.exitcode}"}
        if time.monotonic() - self.began > SECONDS_EACH:
            return {"died": f"no answer in {SECONDS_EACH:g} s"}
        return None

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def outcomes(mutants: Iterator[Mutant], folder: Path) -> Iterator[tuple[Mutant, dict[str, Any], float]]:
    """Every mutant's outcome with its seconds, as they come; a worker that dies is replaced."""
    workers = [Worker() for _ in range(WORKERS)]
    try:
        open_ended = True
        while open_ended or any(worker.hand for worker in workers):
            for number, worker in enumerate(workers):
                if worker.hand is None:
                    following = next(mutants, None)
                    open_ended = following is not None
                    if following is not None:
                        worker.give(following, folder)
                elif (found := worker.answer()) is not None:
                    yield worker.hand, found, time.monotonic() - worker.began
                    (folder / worker.hand.name).unlink()
                    worker.hand = None
                    if "died" in found or found.get("most_bytes", 0) > MOST_BYTES:
                        worker.stop()
                        workers[number] = Worker()
    finally:
        for worker in workers:
            worker.stop()


def problems_of(one: Mutant, found: dict[str, Any]) -> list[str]:
    told = [str(found[name]) for name in ("died", "raised") if name in found]
    told += found.get("wrong", [])
    if found.get("most_bytes", 0) > MOST_BYTES:
        told.append(f"{found['most_bytes'] / 1e6:.0f} MB taken")
    return [f"{one}: {problem}" for problem in told]


def check(seeds: Iterator[int], voice: Callable[[float, int], FloatArray], folder: Path) -> Counter[str]:
    """Fails with every seed that went wrong; else how often each thing came out."""
    made = originals(voice(13, 0))
    problems: list[str] = []
    counts: Counter[str] = Counter()
    slowest = 0.0
    for one, found, seconds in outcomes((mutant(seed, made) for seed in seeds), folder):
        problems += problems_of(one, found)
        slowest = max(slowest, seconds)
        kept = "rows" if found.get("rows") else "no rows"
        counts[f"{kept}, {'failures' if found.get('failures') else 'no failures'}"] += 1
        if one.damage in WHOLE:
            assert found.get("rows"), f"{one}: a whole file gives nothing: {found}"
            assert not found["failures"], f"{one}: a whole file has failures: {found}"
    print(f"{counts.total()} files, slowest {slowest:.1f} s: {dict(counts)}")  # noqa: T201
    assert not problems, "\n".join(problems)
    return counts


@pytest.mark.slow
@pytest.mark.fuzz
def test_fifty_damaged_files_are_all_accounted_for(voice: Callable[[float, int], FloatArray], tmp_path: Path) -> None:
    counts = check(iter(range(0, IN_TESTS * SPREAD, SPREAD)), voice, tmp_path)
    assert counts.total() == IN_TESTS
    assert len(counts) == 4  # some whole, some salvaged, some silent or short, some hopeless


@pytest.mark.fuzz
@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_two_thousand_damaged_files_are_all_accounted_for(
    voice: Callable[[float, int], FloatArray], tmp_path: Path
) -> None:
    assert check(iter(range(IN_CAMPAIGN)), voice, tmp_path).total() == IN_CAMPAIGN
