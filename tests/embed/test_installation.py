"""Our packages are found as ours; a stranger of the same name is named, with the cure."""

import sys
from pathlib import Path

import pytest

from embed.errors import DegluError
from embed.installation import HOME, PACKAGES, check_packages, installed


def test_ours_are_ours() -> None:
    check_packages()
    assert all((HOME / name / "__init__.py").is_file() for name in PACKAGES)


def test_a_package_of_another_distribution_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "evaluate", raising=False)
    with pytest.raises(DegluError, match=r"`evaluate` .* found in .*evaluate.* pip uninstall evaluate"):
        check_packages()


def test_an_installation_elsewhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(DegluError, match=f"`embed` of Deglu is found in {HOME / 'embed'}"):
        check_packages(tmp_path)


def test_the_same_version_with_other_code_is_another_installation(tmp_path: Path) -> None:
    def home(name: str, code: str) -> Path:
        (tmp_path / name / "embed").mkdir(parents=True)
        (tmp_path / name / "embed" / "cut.py").write_text(code)
        return tmp_path / name

    assert installed() == installed()
    assert installed(home("a", "x = 1")) == installed(home("b", "x = 1")) != installed(home("c", "x = 2"))
