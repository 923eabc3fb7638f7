"""The first second of a command: who looks at a dataset loads no library of models or of clusters."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "ray", "transformers")
CODE = """
import sys
from jobs.__main__ import run
code = run(sys.argv[1:])
sys.stderr.write(f"\\n{code} {[name for name in %r if name in sys.modules]}")
"""


def loaded(heavy: tuple[str, ...], *arguments: str) -> str:
    """Exit code and which of the libraries a command has loaded, as the last line of stderr."""
    ran = subprocess.run(
        [sys.executable, "-c", CODE % (heavy,), *arguments], capture_output=True, text=True, check=True
    )
    return ran.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"]], ids=" ".join)
def test_help_loads_no_library(arguments: list[str]) -> None:
    assert loaded((*HEAVY, "pyarrow", "s3fs", "faiss", "numba"), *arguments) == "0 []"


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["status", "failures", "verify"])
def test_looking_at_a_dataset_loads_neither_models_nor_a_cluster(verb: str, tmp_path: Path) -> None:
    assert loaded((*HEAVY, "s3fs", "pandas"), verb, f"{tmp_path}/none") == "1 []"


@pytest.mark.slow
def test_a_question_that_is_refused_loads_no_torch(tmp_path: Path) -> None:
    assert loaded((*HEAVY, "s3fs", "soundfile"), "query", f"{tmp_path}/none", "--text", "rain") == "1 []"
