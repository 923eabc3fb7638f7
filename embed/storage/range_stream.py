"""Remote object as a seekable stream, read by ranges: blocks are read ahead, and grow while reading is sequential.

Blocks are small at first, since many readers read a header and jump; at most 8 MiB, so that a stream of any length
takes little memory.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from io import RawIOBase
from typing import Any

FIRST_BYTES = 1 << 18
MOST_BYTES = 1 << 23


@dataclass(frozen=True)
class Head:
    """Bytes of an object, its size, and its etag, which changes with the content."""

    data: bytes
    size_bytes: int
    etag: str
    begin: int = 0  # where the bytes are in the object


class RangeStream(RawIOBase):
    """Reads through `part(head, start, stop)`, which returns exactly these bytes or raises."""

    def __init__(self, head: Head, part: Callable[[Head, int, int], bytes]) -> None:
        self._head, self._part = head, part
        self._block, self._block_at = self._head.data, self._head.begin
        self._at, self._ahead = 0, FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._head.size_bytes:
            return 0
        if not self._block_at <= self._at < self._block_at + len(self._block):
            self._read_block(len(buffer))
        begin = self._at - self._block_at
        data = self._block[begin : begin + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._head.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def _read_block(self, needed: int) -> None:
        straight_on = self._at == self._block_at + len(self._block)
        self._ahead = min(2 * self._ahead, MOST_BYTES) if straight_on else FIRST_BYTES
        stop = self._at + min(max(self._ahead, needed), MOST_BYTES)
        self._block, self._block_at = self._part(self._head, self._at, stop), self._at
