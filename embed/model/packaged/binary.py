"""Reader of little-endian binary files from other software; it never reads beyond the end of the buffer."""

import struct
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from embed.errors import InputError


class Cursor:
    """A position in a buffer that advances with every read.  Raises InputError, naming the file, at its end."""

    def __init__(self, buffer: bytes | bytearray | memoryview, name: str) -> None:
        self.buffer = memoryview(buffer)
        self.name = name
        self.position = 0

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        piece = self.at(self.position, size)
        self.position += size
        return piece

    def at(self, start: int, size: int) -> memoryview:
        """`size` bytes from `start`, independent of the cursor's position."""
        if size < 0 or start < 0 or start + size > len(self.buffer):
            raise self.damaged(f"{size} bytes at {start} are beyond its {len(self.buffer)} bytes")
        return self.buffer[start : start + size]

    def number(self, code: str) -> Any:
        """One number; `code` is a letter of `struct`."""
        return self.numbers(code)[0]

    def numbers(self, codes: str) -> tuple[Any, ...]:
        """Several numbers without padding between them."""
        return struct.unpack("<" + codes, self.take(struct.calcsize("<" + codes)))

    def array(self, dtype: DTypeLike, count: int) -> NDArray[Any]:
        """A read-only view of the next `count` items."""
        return np.frombuffer(self.take(np.dtype(dtype).itemsize * count), dtype)

    def text(self, size: int) -> str:
        """`size` bytes as UTF-8."""
        try:
            return bytes(self.take(size)).decode("utf-8")
        except UnicodeDecodeError:
            raise self.damaged(f"the text at {self.position - size} is not UTF-8") from None

    def damaged(self, reason: str) -> InputError:
        """The error to raise for contents that are not valid."""
        return InputError(f"{self.name} is damaged: {reason}; install it again")
