"""Reader of single files of a part, or of some of its rows, without the rest of the part.

A segment of a remote index may be gigabytes; to append a hundred rows an index needs its ids, not its vectors.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError, StorageError
from embed.storage import store
from index.neighbours import spread
from index.parts.artifact import ROWS, PartEntry, part_url
from index.parts.copies import copies_folder
from index.parts.local import REPAIR, check

BLOCKS, BLOCK_ROWS = 64, 256
FLOAT16_BYTES = 2


@contextmanager
def file_of(url: str, part: PartEntry, name: str) -> Iterator[Path]:
    """The local file, or its copy in the cache, or a temporary copy.  Raises StorageError where it is damaged."""
    place = part_url(url, part.name)
    local = store.local_path(place)
    folder = local or copies_folder() / part.name
    if local or (folder / name).exists():
        check(folder / name, part.files[name])
        yield folder / name
        return
    with tempfile.TemporaryDirectory(prefix="deglu-file-") as scratch:
        try:
            path = store.local_copy(store.join(place, name), Path(scratch))
        except InputError:
            raise StorageError(f"{store.join(place, name)}: missing; {REPAIR}") from None
        check(path, part.files[name])
        yield path


def some_rows(url: str, part: PartEntry) -> NDArray[np.float16]:
    """Up to 16,384 of a segment's rows [n, D], in stretches at even steps; all rows of a smaller segment."""
    with store.open_input(store.join(part_url(url, part.name), ROWS)) as stream:
        np.lib.format.read_magic(stream)
        (count, width), _, _ = np.lib.format.read_array_header_1_0(stream)
        first, blocks = stream.tell(), []
        for block in spread(-(-count // BLOCK_ROWS), BLOCKS, shift=0.0):
            start = int(block) * BLOCK_ROWS
            stream.seek(first + start * width * FLOAT16_BYTES)
            data = stream.read(min(BLOCK_ROWS, count - start) * width * FLOAT16_BYTES)
            blocks.append(np.frombuffer(data, np.float16).reshape(-1, width))
    return np.concatenate(blocks)
