import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from embed.errors import DataUnavailable
from train.curate.packages.apt import fetch

SMALL = "asterisk-core-sounds-en"


@pytest.mark.data
def test_a_package_is_fetched_once_and_then_without_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obtain: Callable[[Callable[[Path], Path]], Path]
) -> None:
    root = obtain(lambda _: fetch(SMALL, tmp_path))
    assert root.parent == tmp_path / "debian"
    assert (root / "usr/share/doc" / SMALL / "copyright").is_file()
    monkeypatch.setenv("PATH", "")  # Neither apt nor dpkg can be found now.
    assert fetch(SMALL, tmp_path) == root


@pytest.mark.data
def test_a_package_that_does_not_exist_is_named(
    tmp_path: Path, obtain: Callable[[Callable[[Path], Path]], Path]
) -> None:
    obtain(lambda _: fetch(SMALL, tmp_path))
    with pytest.raises(DataUnavailable, match="no-such-package-of-deglu: apt-get failed: E: Unable to locate"):
        fetch("no-such-package-of-deglu", tmp_path)


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataUnavailable, match="apt-get is missing; run on Debian"):
        fetch(SMALL, tmp_path)


def test_a_package_whose_name_begins_alike_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "debian" / f"{SMALL}-g722_1.0").mkdir(parents=True)
    (tmp_path / "debian" / f"{SMALL}_1.0_all.deb").touch()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataUnavailable):
        fetch(SMALL, tmp_path)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is missing")
def test_an_apt_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'E: the mirror is gone' >&2\nexit 100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(DataUnavailable, match="the mirror is gone; check the network"):
        fetch(SMALL, tmp_path)
    assert not list((tmp_path / "debian").glob(f"{SMALL}*"))
