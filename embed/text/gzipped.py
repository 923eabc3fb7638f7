"""Text files as seekable streams of UTF-8, packed by gzip or not, and in any encoding.

A packed file, and one of another encoding, can be read only from its beginning.  So a worker keeps the stream open
where it stopped: the next unit of the same file continues there, and all units of a file cost one reading of it.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from embed.errors import ExpandsTooFar, InputError
from embed.storage import store
from embed.text.encodings import Sample, chosen, marked
from embed.text.expansion import check_bytes
from embed.text.open_files import OpenFiles
from embed.text.recoded import Recoded

_BUFFER = 1 << 20
_HEAD_BYTES = 1 << 20
_PART_BYTES = 1 << 16
_PARTS = 4  # of the rest of a file, at equal distances
_WHOLE_BYTES = 1 << 26

_STREAMS: OpenFiles[io.BufferedReader] = OpenFiles(2)


def is_packed(url: str) -> bool:
    return url.lower().endswith(".gz")


@contextmanager
def open_text(url: str, version: str, encoding: str | None = None) -> Iterator[BinaryIO]:
    """The text of a file of this content version as UTF-8, at any position; seek before you read.

    `encoding` is what `encoding_of` finds; without it a file is UTF-8, or what its first bytes mark.
    Raises InputError where there is no file, or where the gzip stream is damaged.
    """
    if not is_packed(url) and encoding is None:
        with store.open_input(url) as file:
            if marked(file.read(4)) is None:
                yield file
                return
    key = (url, version, encoding)
    stream = _STREAMS.take(key) or unpacking(url, encoding)
    try:
        yield stream
    except BaseException:
        stream.close()
        raise
    _STREAMS.keep(key, stream)


def encoding_of(
    url: str, named: str | None = None, declared_in: Callable[[bytes], str | None] | None = None
) -> str | None:
    """The encoding of a text file, None for UTF-8; `named` is that of its input, the function reads one in the file.

    Raises InputError, with the cure, for a file that is missing, empty, binary, or in another encoding.
    """
    with _bytes(url) as file:
        sample = _sample(file, packed=is_packed(url))
    return chosen(url, sample, named, declared_in(sample.head) if declared_in else None)


def whole_text(url: str, encoding: str | None = None) -> str:
    """All of a small text file.  Raises InputError for a large one, and for bytes that are no characters."""
    with unpacking(url, encoding) as stream:
        data = stream.read(_WHOLE_BYTES + 1)
    if len(data) > _WHOLE_BYTES:
        raise InputError(f"{url}: over {_WHOLE_BYTES >> 20} MiB, too long for a file of its kind; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{url}: byte {error.start} is not {encoding or 'UTF-8'}; correct it") from None


def text_bytes(url: str, encoding: str | None = None) -> int:
    """Number of bytes of UTF-8 in a file; of a damaged .gz file, those before the damage.  Reads all of it."""
    with unpacking(url, encoding) as stream:
        num = 0
        try:
            while chunk := stream.read(_BUFFER):
                num += len(chunk)
        except ExpandsTooFar:
            raise
        except InputError:
            if not num:
                raise
    return num


def unpacking(url: str, encoding: str | None = None) -> io.BufferedReader:
    """The text as UTF-8 from the beginning; the caller closes it."""
    stream = _bytes(url)
    try:
        found = encoding or marked(stream.peek(4)[:4])
    except BaseException:
        stream.close()
        raise
    return stream if found is None else io.BufferedReader(Recoded(stream, found), _BUFFER)


def _bytes(url: str) -> io.BufferedReader:
    """The unpacked bytes."""
    inner = _Unpacked(url) if is_packed(url) else store.open_input(url)
    return io.BufferedReader(cast(io.RawIOBase, inner), _BUFFER)


def _sample(file: io.BufferedReader, packed: bool) -> Sample:
    head = _head(file)
    if packed or len(head) < _HEAD_BYTES:
        return Sample(head, whole=len(head) < _HEAD_BYTES)
    size = file.seek(0, io.SEEK_END)
    parts = []
    for number in range(1, _PARTS + 1):
        file.seek(max(_HEAD_BYTES, size * number // _PARTS - _PART_BYTES))
        parts.append(file.read(_PART_BYTES))
    return Sample(head, tuple(parts), whole=False)


def _head(file: io.BufferedReader) -> bytes:
    """The beginning; of a damaged .gz file, up to the damage."""
    head = b""
    try:
        while len(head) < _HEAD_BYTES and (more := file.read1(_HEAD_BYTES - len(head))):
            head += more
    except InputError:
        if not head:
            raise
    return head


class _Unpacked(io.RawIOBase):
    """The gzip stream, with errors that name the file."""

    def __init__(self, url: str) -> None:
        self._url, self._file = url, store.open_input(url)
        self._size = self._file.seek(0, io.SEEK_END)
        self._file.seek(0)
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
        check_bytes(self._url, "its text", self._inner.tell(), self._size)
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
