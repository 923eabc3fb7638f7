"""Notes of the parts whose hashes were checked, so that opening an index does not hash them again each time.

A note has the sizes, times of change and sha256 of a folder's files.  A file that changes gets another time, and is
hashed again; a file that the disk corrupts keeps its time, but `deglu verify` always hashes every file.  Notes are in
the cache, in at most 4,096 files, each for a share of all folders: a folder whose note was overwritten is hashed again.
"""

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from embed.errors import StorageError
from embed.storage.cache import cache_folder
from index.parts.artifact import PartEntry

SHARE_DIGITS = 3  # hexadecimal
# A file may change once more within one tick of the file system's clock: 4 ms of most.
FRESH_S = 0.1


def is_noted(folder: Path, entry: PartEntry) -> bool:
    """Whether these files, unchanged since, were checked to be those of the entry."""
    with suppress(OSError, ValueError, StorageError):  # A note that cannot be read does not count.
        found: bool = json.loads(_place(folder).read_text(encoding="utf-8")) == _state(folder, entry)
        return found
    return False


def note(folder: Path, entry: PartEntry) -> None:
    """Note that the files are those of the entry, unless one is so new that a change could stay unnoticed."""
    with suppress(OSError, StorageError):  # Without a writable cache, the files are hashed again.
        state = _state(folder, entry)
        if time.time() - max(_changed(folder / name) for name in entry.files) / 1e9 > FRESH_S:
            _write(_place(folder), json.dumps(state))


def _state(folder: Path, entry: PartEntry) -> dict[str, Any]:
    files = {name: [_changed(folder / name), file.bytes, file.sha256] for name, file in entry.files.items()}
    return {"folder": str(folder.absolute()), "files": files}


def _changed(path: Path) -> int:
    """The later of mtime and ctime in ns: mtime can be set back, ctime cannot."""
    found = path.stat()
    return max(found.st_mtime_ns, found.st_ctime_ns)


def _place(folder: Path) -> Path:
    share = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:SHARE_DIGITS]
    return cache_folder() / "index-checked" / f"{share}.json"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as draft:
        draft.write(text)
    os.replace(draft.name, path)
