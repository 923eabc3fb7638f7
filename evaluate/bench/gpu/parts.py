"""Parts of the GPU bench, the most important first, each with the most time that it may take."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, STDOUT, run

from evaluate.bench.gpu.sizes import Sizes
from evaluate.bench.shape import Row

TESTS = Path(__file__).resolve().parents[3] / "tests"
GPU_TESTS = ("tests/evaluate/bench", "tests/index")  # the folders that have tests with the marker


@dataclass(frozen=True)
class Part:
    name: str
    what: str
    most_s: float
    rows: Callable[[Sizes], Iterable[Row]]


def later(module: str, name: str) -> Callable[[Sizes], Iterable[Row]]:
    """A function that is imported in the process of its part alone."""

    def rows(sizes: Sizes) -> Iterable[Row]:
        found: Iterable[Row] = getattr(import_module(module), name)(sizes)
        return found

    return rows


def index_rows(sizes: Sizes) -> Iterable[Row]:
    from evaluate.bench.index.gpu import card_rows

    return card_rows(sizes.index_rows)


def packaged_rows(sizes: Sizes) -> Iterable[Row]:
    from evaluate.bench.embed.gpu import gpu_rows

    return gpu_rows(sizes.texts // 32, sizes.waves // 32) if sizes.device == "cuda" else []


def test_rows(sizes: Sizes) -> Iterator[Row]:
    """One row for the tests that need a GPU; DegluError is raised by none: what failed is the row's reason."""
    what = "tests that need a GPU, passed"
    if find_spec("pytest") is None or not TESTS.is_dir():
        yield Row(what, "all of them", 0.0, None, "tests", reason="neither pytest nor the folder of tests is here")
        return
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "--collect-only" if sizes.device == "cpu" else "-rA"]
    done = run([*command, *GPU_TESTS], cwd=TESTS.parent, stdout=PIPE, stderr=STDOUT, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    passed = sum(line.startswith("PASSED") for line in lines)
    failed = [line.split(" ")[1] for line in lines if line.startswith(("FAILED", "ERROR"))]
    if failed or done.returncode:
        yield Row(what, "all of them", passed, None, "tests", reason=", ".join(failed) or lines[-1])
    else:
        yield Row(what, "all of them", passed, passed, "tests", reason=lines[-1])


HERE = "evaluate.bench.gpu"
PARTS = (
    Part("encode", "encoding with a model of the production's size", 120, later(f"{HERE}.encoding", "encode_rows")),
    Part("pipeline", "files on disk to Parquet, busy share", 150, later(f"{HERE}.pipeline", "pipeline_rows")),
    Part("train", "training steps with nccl", 90, later(f"{HERE}.training", "train_rows")),
    Part("compiled", "encoding with compiled towers", 120, later(f"{HERE}.encoding", "compiled_rows")),
    Part("halving", "a pass that does not fit in memory", 60, later(f"{HERE}.encoding", "halving_rows")),
    Part("index", "the index on a GPU", 60, index_rows),
    Part("packaged", "encoding with packaged weights, against sentence-transformers", 60, packaged_rows),
    Part("tests", "tests that need a GPU", 120, test_rows),
)
