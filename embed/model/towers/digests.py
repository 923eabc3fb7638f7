"""SHA-256 of files, stored in the cache folder: a checkpoint is gigabytes, and every command needs its digest.

A stored digest is valid while the file's size, inode and both times are the same; a file that has just changed is
hashed again next time, since a second change may leave the same times.
"""

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from embed.errors import InputError, StorageError
from embed.identity import file_sha256
from embed.storage.cache import cache_folder

FOLDER = "digests"
SMALLEST_KEPT = 1 << 20  # bytes; a smaller file is hashed faster than its stored digest is read
SETTLED_S = 2.0  # coarser than the clock of any file system


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.  Raises InputError where it cannot be read."""
    try:
        return _digest_of(path.absolute(), *_state(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); copy the complete model folder again") from None


@lru_cache(maxsize=1024)
def _digest_of(path: Path, *state: int) -> str:
    """Digest, also kept in this process while the file's state is the same."""
    note = None if state[0] < SMALLEST_KEPT else _note_of(path)
    kept = None if note is None else _read(note)
    if kept is not None and kept.get("path") == str(path) and kept.get("state") == list(state):
        return str(kept["sha256"])
    sha256 = file_sha256(path)
    if note is not None and _state(path) == state and time.time() - max(state[1:3]) / 1e9 > SETTLED_S:
        _write(note, {"path": str(path), "state": list(state), "sha256": sha256})
    return sha256


def _state(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _note_of(path: Path) -> Path | None:
    try:
        return cache_folder() / FOLDER / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    except StorageError:  # without a cache more is hashed; that is no error
        return None


def _read(note: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("sha256"), str) else None


def _write(note: Path, values: dict[str, Any]) -> None:
    """Written completely or not at all; a full or read-only cache is no error."""
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=note.parent, prefix=".draft-", delete=False, encoding="utf-8"
        ) as file:
            json.dump(values, file)
        os.replace(file.name, note)
