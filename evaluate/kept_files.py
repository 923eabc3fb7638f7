"""Files that evaluations keep in the cache folder of this machine: what decides their names, how they are written, and
the bound on their size.

Delete the folder `encodings` to encode and transcribe anew.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

import torch

import embed
from embed.errors import StorageError
from embed.identity import digest
from embed.storage import store
from embed.storage.cache import cache_folder
from evaluate.benchmarks.benchmark import file_of
from train.curate.clip import Clip

log = logging.getLogger(__name__)

FOLDER = "encodings"
MOST_BYTES = 4 << 30  # of all files; what was used least recently is removed first


def kept_folder() -> Path:
    return cache_folder() / FOLDER


@cache
def code_digest() -> str:
    """Digest of the code of `embed`, and torch's version: results of other code are not ours."""
    folder = Path(embed.__file__).parent
    sources = sorted(folder.rglob("*.py"))
    return digest(torch.__version__, *(path.read_bytes() for path in sources)).hex()


def stretch_of(clip: Clip) -> tuple[object, ...]:
    """A stretch of a recording, with the size and time, or the etag, of its file."""
    file = file_of(clip.uri)
    path = store.local_path(file)
    if path is not None:
        stat = path.stat()
        state: tuple[object, ...] = stat.st_size, stat.st_mtime_ns
    else:
        state = tuple((one.size_bytes, one.etag) for one in store.inputs(file))
    return clip.uri, clip.offset_s, clip.duration_s, state


def used(path: Path) -> None:
    """Marks a kept file as used now."""
    with suppress(OSError):  # a cache of another user
        os.utime(path)


def write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Writes a kept file whole or not at all, then removes old ones beyond the bound.

    A cache that cannot be written keeps nothing, with a warning.
    """
    try:
        _write(path, fill)
        prune(path.parent, MOST_BYTES)
    except (OSError, StorageError) as error:
        log.warning("%s: encodings are not kept: %s", path.parent, error)


def prune(folder: Path, most_bytes: int) -> None:
    """Removes the files that were used least recently, until those that remain have at most so many bytes."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # removed by another process
            stat = path.stat()
            found.append((stat.st_mtime_ns, stat.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most_bytes:
            return
        path.unlink(missing_ok=True)
        total -= size


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
        Path(draft).chmod(0o644)  # several users may share a cache
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
