"""Whole files of web servers that give no ranges, on this machine's disk while they are read.

The last two are kept, since a recording is opened more than once; a file that nobody reads any more is deleted.
"""

import os
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from urllib3 import BaseHTTPResponse

from embed.errors import RefusedContent

MOST_BYTES = 4 << 30
_PART_BYTES = 1 << 18
_KEPT = 2


class WholeFile:
    """A temporary file without a name; readers may share it."""

    def __init__(self, fill: Callable[[BinaryIO], None]) -> None:
        with tempfile.TemporaryFile() as file:
            fill(file)
            file.flush()
            self._handle = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._handle)
        self.size_bytes = os.fstat(self._handle).st_size

    def part(self, start: int, stop: int) -> bytes:
        return os.pread(self._handle, stop - start, start)


@dataclass
class WholeFiles:
    """The last ones by url and etag."""

    _files: dict[tuple[str, str], WholeFile] = field(default_factory=dict)

    def of(self, url: str, etag: str, response: BaseHTTPResponse) -> WholeFile:
        """The file; its body is read where it is not here.  Raises RefusedContent where it is too long."""
        found = self._files.pop((url, etag), None) if etag else None
        found = found or WholeFile(lambda file: _copy(url, response, file))
        self._files[url, etag] = found
        while len(self._files) > _KEPT:
            self._files.pop(next(iter(self._files)), None)
        return found


def _copy(url: str, response: BaseHTTPResponse, file: BinaryIO) -> None:
    num = 0
    for part in response.stream(_PART_BYTES, decode_content=True):
        num += len(part)
        if num > MOST_BYTES:
            raise RefusedContent(f"{url}: over {MOST_BYTES >> 30} GiB, from a server that gives no ranges; download it")
        file.write(part)
