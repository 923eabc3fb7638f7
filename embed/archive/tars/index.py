"""Index of a tar: the name and the place of each member, from its headers alone; `tarfile` of Python reads these.

- No data of a member is read: between two headers is a jump, and the index has about a hundred bytes for a member.
- The names of GNU tar and of PAX, of any length, are read; names are only names, since nothing is unpacked.
- Tars one after the other in one file are read as one.
- A tar that is cut short or damaged has the members before that, and a problem that names the byte.
"""

import os
import tarfile
from collections.abc import Iterator
from enum import IntEnum
from shlex import quote
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.errors import OF_ONE_FILE
from embed.file_kinds import unpacker_of_tar
from embed.storage import store

_HEADER_BYTES = 1 << 20  # of all headers of a member: names and attributes are short
_AFTER_END = 1 << 20  # bytes in which another tar is searched for
_BLOCK = tarfile.BLOCKSIZE
_DAMAGE = (tarfile.TarError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


class Kind(IntEnum):
    FILE = 0
    SPARSE = 1
    LINK = 2
    SPECIAL = 3  # a device, a pipe, the label of a volume
    REPLACED = 4  # a later member has the same name: unpacked, it would replace this one


class TarIndex(NamedTuple):
    """The members in order, without folders."""

    names: pa.Array
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    problem: str | None = None  # why it is not read to its end, "ErrorClass: message"
    note: str | None = None


class _Damage(Exception):
    """The text says where, and what was found."""


def read_index(url: str) -> TarIndex:
    """Index of a tar.  What cannot be read is its problem; storage's errors that concern more than it are raised."""
    found: list[tuple[str, int, int, Kind]] = []
    problem = note = None
    try:
        if command := unpacker_of_tar(url):
            file = quote(url.rpartition("/")[2])
            raise _Damage(f"packed as a whole, so that members cannot be read in place; unpack it: {command} {file}")
        with store.open_input(url) as stream:
            for member in _members(stream):
                found.append(member)
            if not _has_end_mark(stream):
                note = f"{url}: no mark at its end; if its writer was stopped, members are missing"
    except _Damage as error:
        problem = f"InputError: {url}: {error}"
    except OF_ONE_FILE as error:
        problem = f"{type(error).__name__}: {error}"
    return _index(found, problem, note)


def _index(found: list[tuple[str, int, int, Kind]], problem: str | None, note: str | None) -> TarIndex:
    names, begins, sizes, kinds = zip(*found, strict=True) if found else ((), (), (), ())
    last = {name: place for place, name in enumerate(names)}
    known = [
        kind if last[name] == place else Kind.REPLACED
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    first, lengths = (np.asarray(column, np.int64) for column in (begins, sizes))
    return TarIndex(pa.array(names, pa.string()), first, lengths, np.asarray(known, np.uint8), problem, note)


def _members(stream: BinaryIO) -> Iterator[tuple[str, int, int, Kind]]:
    """Name, first byte, size and kind of each member; at the end the stream is at the end mark, or at its own end."""
    size = stream.seek(0, os.SEEK_END)
    begin: int | None = 0
    while begin is not None:
        stream.seek(begin)
        for info in _of_one(_Headers(stream), size):
            if not info.isdir():
                yield _name(info.name), info.offset_data, info.size, _kind(info)
        begin = _next_tar(stream)


def _of_one(headers: "_Headers", size: int) -> Iterator[tarfile.TarInfo]:
    """The members of one tar; then the headers are at its end mark."""
    at = headers.tell()
    try:
        tar = tarfile.TarFile(fileobj=headers, encoding="utf-8", errors="backslashreplace")  # type: ignore[arg-type]
        while at < size:
            headers.left = _HEADER_BYTES
            info = tar.next()
            tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
            if info is None:
                break
            if info.offset < at or info.size < 0 or tar.offset <= at:
                raise _Damage(f"damaged at byte {at:,}: a header with a wrong size; the rest is not read")
            # Sparse files have another size than their data.
            end = tar.offset if info.sparse else info.offset_data + info.size * info.isreg()
            if end > size:
                raise _Damage(
                    f"cut short at byte {size:,}: {info.name!r} is at {info.offset_data:,} to {end:,}; copy the tar"
                    " again, or pack it again"
                )
            yield info
            at = tar.offset
    except _DAMAGE as error:
        raise _damaged(headers, at, size, error) from None
    headers.seek(at)
    block = headers.peek()
    if block.strip(b"\0"):
        raise _damaged(headers, at, size, "no header")


def _damaged(headers: "_Headers", at: int, size: int, cause: object) -> _Damage:
    headers.seek(at)
    if at == 0:
        return _Damage(_no_tar(headers.peek()))
    if headers.ended:
        return _Damage(f"cut short at byte {size:,}, in a header; copy the tar again, or pack it again")
    what = " ".join(str(cause).split())
    return _Damage(f"damaged at byte {at:,} ({what}): the {size - at:,} bytes from there on are not read")


def _no_tar(begin: bytes) -> str:
    if not begin:
        return "empty file (0 bytes)"
    if begin.startswith(b"\x1f\x8b"):
        return "packed by gzip, not a plain tar; add .gz to its name and unpack it with gunzip"
    return f"no tar, though its name ends so; it begins with {begin[:8]!r}; correct the name"


def _next_tar(stream: BinaryIO) -> int | None:
    """Where another tar begins behind the end mark, at which the stream is and stays; None where there is none."""
    mark = stream.tell()
    rest = stream.read(_AFTER_END)
    stream.seek(mark)
    zeros = len(rest) - len(rest.lstrip(b"\0"))
    return mark + zeros // _BLOCK * _BLOCK if zeros < len(rest) else None


def _has_end_mark(stream: BinaryIO) -> bool:
    return bool(stream.read(_BLOCK))


def _name(name: str) -> str:
    """Without what means nothing at its begin, and as text: `tar -c .` writes `./a.wav`."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name.encode(errors="backslashreplace").decode()


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.sparse or info.type == tarfile.GNUTYPE_SPARSE:
        return Kind.SPARSE
    if info.islnk() or info.issym():
        return Kind.LINK
    return Kind.FILE if info.isreg() else Kind.SPECIAL


class _Headers:
    """The stream for `tarfile`, which may read `left` bytes more: a header states its own size, and may be wrong.

    `ended` is whether it was not as long as that.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.left, self.ended = stream, _HEADER_BYTES, False

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"a header of {size:,} bytes" if size >= 0 else "a header with a wrong size")
        self.left -= size
        data = self._stream.read(size)
        self.ended |= len(data) < size
        return data

    def peek(self) -> bytes:
        """The next block; the stream stays where it is."""
        at = self._stream.tell()
        block = self._stream.read(_BLOCK)
        self._stream.seek(at)
        return block

    def seek(self, place: int) -> int:
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()
