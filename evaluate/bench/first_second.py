"""Bench of the command's start: CPU seconds of whole processes that answer one question, and of `deglu --help`.

    python -m evaluate.bench.first_second [--against FOLDER] [--index INDEX] [--json] [--out FILE] [--n N]

`--against` is another checkout: both are then measured in turn, on the same index.  Without it ours is compared with
the goals.  `--index` is an index of the released model; by default a small one is made.  `--n` is the number of runs of
each command (3), after one that fills file caches and compiles code.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import soundfile

from embed.encoder import SAMPLE_RATE
from embed.errors import DegluError
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from evaluate.bench.command import run_one
from evaluate.bench.index.made_up import table_of
from evaluate.bench.shape import Row, document
from evaluate.bench.timing import interleaved
from index.building.build import build
from index.parts.artifact import Lineage
from index.spec import IndexSpec
from index.table_vectors import TableVectors
from jobs.demo.demo_material import voice

HOUSE = Path(__file__).resolve().parents[2]
MODEL, ROUNDS, TEXTS = "demo", 3, 300
QUESTION, SPOKEN_S = "Where is the market?", 5.0
GOALS = {"--help": 0.5, "typed question": 3.5, "spoken question": 5.0}  # CPU seconds on a machine of its own
PACKAGES = ("torch", "transformers", "pyarrow", "faiss-cpu", "numba")


def bench(n: int | None = None, against: Path | None = None, index: str | None = None) -> dict[str, Any]:
    """Each command n times."""
    with TemporaryDirectory(prefix="deglu-first-second-") as scratch:
        commands = commands_on(index or small_index(Path(scratch) / "index"), Path(scratch))
        spent = measured(commands, [HOUSE] if against is None else [HOUSE, against], n or ROUNDS)
    return document("first_second", [_row(what, spent[what], against) for what in commands], PACKAGES)


def commands_on(index: str, scratch: Path) -> dict[str, list[str]]:
    """The arguments of `deglu`, by measure; the spoken question is written into `scratch`."""
    recording = scratch / "question.wav"
    soundfile.write(recording, voice(SPOKEN_S, 1), SAMPLE_RATE)
    return {
        "--help": ["--help"],
        "typed question": ["query", index, "--text", QUESTION, "--json"],
        "spoken question": ["query", index, "--audio", str(recording), "--json"],
    }


def small_index(folder: Path) -> str:
    """An index of some hundred sentences in the released model's space; its url."""
    handle = resolve_model(MODEL)
    model = load_model(handle, speech=False)
    texts = [f"The price of {thing} went up by {number}." for number in range(TEXTS // 3) for thing in THINGS]
    space = handle.fingerprints.space
    vectors = TableVectors(table_of(model.encode(texts, "document"), space), model.dims, space)
    lineage = Lineage(url="made-up", version=1, sha256=None, settings={"model": MODEL})
    build(IndexSpec(vectors="made-up", output=str(folder)), vectors, lineage)
    return str(folder)


THINGS = ("rice", "millet", "fish")


def measured(
    commands: Mapping[str, Sequence[str]], checkouts: Sequence[Path], rounds: int
) -> dict[str, dict[Path, float]]:
    """Median CPU seconds of each command in each checkout, which take turns."""
    found: dict[str, dict[Path, float]] = {}
    for what, arguments in commands.items():
        ways = {str(place): partial(run, place, arguments) for place in checkouts}
        for way in ways.values():
            way()  # fills caches and compiles code
        spent = interleaved(ways, rounds, _children_s)
        found[what] = {place: spent[str(place)] for place in checkouts}
    return found


def run(checkout: Path, arguments: Sequence[str]) -> None:
    """Run `deglu` of a checkout to its end.  Raises DegluError where it fails."""
    ran = subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise DegluError(f"{checkout}: deglu {' '.join(arguments)} ended with {ran.returncode}: {ran.stderr[-500:]}")


def _children_s() -> float:
    """CPU seconds, user and system, of all child processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _row(what: str, spent: Mapping[Path, float], against: Path | None) -> Row:
    name, ours = f"deglu {what}", spent[HOUSE]
    if against is None:
        return Row(name, "the goal", ours, GOALS[what], "cpu-s", goal=1.0, lower_is_better=True)
    return Row(name, str(against), ours, spent[against], "cpu-s", goal=1.0, lower_is_better=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--against", type=lambda text: Path(text).resolve())
    parser.add_argument("--index")
    own, rest = parser.parse_known_args(arguments)
    return run_one("first_second", lambda n: bench(n, own.against, own.index), rest)


if __name__ == "__main__":
    sys.exit(main())
