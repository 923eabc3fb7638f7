"""Files of an npm package: one known version, downloaded by the user's own npm, verified, and unpacked into a cache.

No code of the package is run: `npm pack` downloads and runs no install scripts.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from embed.errors import DataUnavailable
from embed.identity import file_sha256
from embed.storage.cache import make_folder, only_one

LIMIT_S = 600
LARGEST_BYTES = 1 << 30  # of all that is unpacked


def fetch(package: str, version: str, sha256: str, cache: Path) -> Path:
    """Root folder of the unpacked package, `<cache>/npm/<name>_<version>`; where it exists, npm is not called.

    Raises DataUnavailable where npm is missing or its archive does not have the SHA-256 `sha256`.
    """
    home = cache / "npm"
    target = home / f"{package.replace('/', '+')}_{version}"
    if not target.is_dir():
        with only_one(home):
            if not target.is_dir():  # Another process may have fetched it meanwhile.
                _fetch(f"{package}@{version}", sha256, target)
    return target


def _fetch(package: str, sha256: str, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise DataUnavailable(f"npm package {package}: npm is missing; install Node.js with its npm")
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as downloads:
        archive = _download(npm, package, Path(downloads))
        if file_sha256(archive) != sha256:
            raise DataUnavailable(
                f"npm package {package}: the download is not the expected archive (SHA-256 differs); run again"
            )
        make_folder(target, lambda draft: _unpack(archive, draft))


def _download(npm: str, package: str, folder: Path) -> Path:
    command = [npm, "pack", package, "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, env=dict(os.environ), timeout=LIMIT_S, capture_output=True, text=True, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataUnavailable(f"npm package {package}: npm did not finish: {error}") from None
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode or archive is None:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise DataUnavailable(f"npm package {package}: npm failed: {lines[0]}; check the network and npm's registry")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files below the archive's only folder, `package`."""
    with tarfile.open(archive, "r:gz") as tar:
        members = [one for one in tar.getmembers() if one.isfile() and one.name.startswith("package/")]
        if sum(one.size for one in members) > LARGEST_BYTES:
            raise DataUnavailable(f"{archive.name} is not unpacked: its files exceed {LARGEST_BYTES >> 20} MiB")
        for one in members:
            one.name = one.name.removeprefix("package/")
            tar.extract(one, folder, filter="data")
