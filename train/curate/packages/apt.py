"""Files of a Debian package, without root: apt's own verified download, unpacked into a cache.

apt keeps its lists and downloads in private folders below the cache, so the system is not changed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from embed.errors import DataUnavailable
from embed.storage.cache import make_folder, only_one

UPDATE_LIMIT_S = 600
DOWNLOAD_LIMIT_S = 1800


def fetch(package: str, cache: Path) -> Path:
    """Root folder of the unpacked package, `<cache>/debian/<package>_<version>`; where it exists, apt is not called.

    Raises DataUnavailable where apt or dpkg is missing, or the package cannot be downloaded.
    """
    home = cache / "debian"
    found = _unpacked(package, home)
    if found is not None:
        return found
    with only_one(home):  # apt allows one user of its folders at a time.
        return _unpacked(package, home) or _fetch(package, home)


def _unpacked(package: str, home: Path) -> Path | None:
    # No package name holds an underscore, so this matches no other package.
    found = (folder for folder in home.glob(f"{package}_*") if folder.is_dir())
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def _fetch(package: str, home: Path) -> Path:
    _need("apt-get", package)
    _need("dpkg", package)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=home) as downloads:
        deb = _download(package, home, Path(downloads))
        target = home / deb.stem.rpartition("_")[0]  # name_version_architecture.deb
        return make_folder(target, lambda draft: _run(["dpkg", "-x", str(deb), str(draft)], package, DOWNLOAD_LIMIT_S))


def _download(package: str, home: Path, downloads: Path) -> Path:
    options = _private(home)
    fresh = not any((home / "state" / "lists").glob("*Packages*"))
    if fresh:
        _update(package, options)
    try:
        _get(package, options, downloads)
    except DataUnavailable:
        if fresh:
            raise
        _update(package, options)  # Old lists name files that the mirror has replaced.
        _get(package, options, downloads)
    return next(downloads.glob(f"{package}_*.deb"))


def _get(package: str, options: Sequence[str], downloads: Path) -> None:
    _run(["apt-get", *options, "download", package], package, DOWNLOAD_LIMIT_S, downloads)


def _update(package: str, options: Sequence[str]) -> None:
    _run(["apt-get", *options, "update"], package, UPDATE_LIMIT_S)


def _private(home: Path) -> list[str]:
    """apt's options that keep state and cache below `home`; creates the folders that apt expects."""
    for inner in ("state/lists/partial", "cache/archives/partial"):
        (home / inner).mkdir(parents=True, exist_ok=True)
    status = home / "state" / "status"
    status.touch()
    options = {
        "Dir::State": f"{home}/state",
        "Dir::State::status": str(status),
        "Dir::Cache": f"{home}/cache",
        "Acquire::Languages": "none",  # Translated descriptions are half of the lists.
        "Acquire::Retries": "3",
        "APT::Update::Error-Mode": "any",  # Otherwise an unreachable mirror is only a warning.
    }
    if os.geteuid() == 0:
        options["APT::Sandbox::User"] = "root"  # apt's own user cannot write below a private cache.
    return ["-q", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def _run(command: Sequence[str], package: str, limit_s: float, folder: Path | None = None) -> None:
    env = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, timeout=limit_s, capture_output=True, text=True, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataUnavailable(f"Debian package {package}: {command[0]} did not finish: {error}") from None
    if done.returncode:
        reason = _first_error(done.stderr)
        raise DataUnavailable(
            f"Debian package {package}: {command[0]} failed: {reason}; check the network and apt's sources, run again"
        )


def _first_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("E:")), lines[-1] if lines else "no reason given")


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise DataUnavailable(
            f"Debian package {package}: {program} is missing; run on Debian or Ubuntu, or in a container of it"
        )
