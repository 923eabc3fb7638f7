"""Text files as seekable streams of bytes, packed by gzip or not.

A packed file can be read only from its beginning.  So a worker keeps the stream open where it stopped: the next unit
of the same file continues there, and all units of a file cost one reading of it.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from embed.errors import InputError
from embed.storage import store
from embed.text.open_files import OpenFiles

_BUFFER = 1 << 20

_STREAMS: OpenFiles[io.BufferedReader] = OpenFiles(2)


def is_packed(url: str) -> bool:
    return url.lower().endswith(".gz")


@contextmanager
def open_text(url: str, version: str) -> Iterator[BinaryIO]:
    """The unpacked bytes of a file of this content version, at any position; seek before you read.

    Raises InputError where there is no file, or where the gzip stream is damaged.
    """
    if not is_packed(url):
        with store.open_input(url) as file:
            yield file
        return
    stream = _STREAMS.take((url, version)) or unpacking(url)
    try:
        yield stream
    except BaseException:
        stream.close()
        raise
    _STREAMS.keep((url, version), stream)


def unpacked_bytes(url: str) -> int:
    """Number of bytes in a .gz file; of a damaged one, those before the damage.  Reads all of it."""
    with unpacking(url) as stream:
        num = 0
        try:
            while chunk := stream.read(_BUFFER):
                num += len(chunk)
        except InputError:
            if not num:
                raise
    return num


def unpacking(url: str) -> io.BufferedReader:
    """The unpacked bytes from the beginning; the caller closes it."""
    inner = _Unpacked(url) if is_packed(url) else store.open_input(url)
    return io.BufferedReader(cast(io.RawIOBase, inner), _BUFFER)


class _Unpacked(io.RawIOBase):
    """The gzip stream, with errors that name the file."""

    def __init__(self, url: str) -> None:
        self._url, self._file = url, store.open_input(url)
        self._inner = gzip.GzipFile(fileobj=self._file, mode="rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            # read1: bytes before the damage are kept
            data = self._inner.read1(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            at = self._inner.tell()
            raise InputError(f"{self._url}: damaged gzip: nothing after byte {at} can be unpacked: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._inner.seek(offset, whence)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{self._url}: damaged gzip: byte {offset} cannot be reached: {error}") from error

    def tell(self) -> int:
        return self._inner.tell()

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._file.close()
        super().close()
