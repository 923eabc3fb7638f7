"""The oldest Python that is promised reads every module."""

import ast
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
OLDEST, TOO_NEW = (3, 11), (3, 14)
FOLDERS = ("embed", "index", "train", "evaluate", "jobs", "tests")


@pytest.mark.slow
def test_every_module_has_the_syntax_of_the_oldest_python() -> None:
    broken = []
    for path in (path for folder in FOLDERS for path in (HOUSE / folder).rglob("*.py")):
        try:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)
        except SyntaxError as error:
            broken.append(f"{path.relative_to(HOUSE)}:{error.lineno}")
    assert broken == []


def test_the_promise_is_one() -> None:
    settings = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))
    promised = ">={}.{},<{}.{}".format(*OLDEST, *TOO_NEW)
    assert settings["project"]["requires-python"] == promised
    assert settings["tool"]["ruff"]["target-version"] == "py{}{}".format(*OLDEST)
    minors = [f"{OLDEST[0]}.{minor}" for minor in range(OLDEST[1], TOO_NEW[1])]
    named = [one.rpartition(" ")[2] for one in settings["project"]["classifiers"] if ":: Python ::" in one]
    assert named == minors
