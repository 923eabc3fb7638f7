"""Writer of parts: names them after their content and stores them below the index."""

import hashlib
import os
import shutil
from pathlib import Path

from embed.storage import store
from index.parts.artifact import PartEntry, part_url
from index.parts.local import describe


def part_of(kind: str, folder: Path) -> PartEntry:
    """The files in `folder` as a part; equal files give equal names."""
    files = {path.name: describe(path) for path in sorted(folder.iterdir())}
    content = "".join(f"{name} {file.sha256}\n" for name, file in files.items())
    return PartEntry(name=f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:16]}", files=files)


def store_part(url: str, entry: PartEntry, folder: Path) -> None:
    """Store the part's files, which are in `folder`, below the index; older files there are replaced."""
    place = part_url(url, entry.name)
    for name in entry.files:
        put(folder / name, place, name)


def put(file: Path, place: str, name: str) -> None:
    """Store a local file, which must not change afterwards, as `name` below the url `place`."""
    with store.scratch(place) as path:
        try:
            os.link(file, path)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, path)
        store.move_in(path, store.join(place, name))
