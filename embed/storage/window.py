"""Window of a file: some of its bytes as a file of their own, e.g. a member of a tar that is not unpacked.

`<url of the file>#at=<first byte>+<number of bytes>&member=<name>` is its url.  The name is the member's, and ends the
url, so that its suffix is that of the url.
"""

import os
import re
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, NamedTuple

_URL = re.compile(r"(.*?)#at=(\d+)\+(\d+)&member=(.*)", re.DOTALL)


class Window(NamedTuple):
    file: str  # url
    begin: int
    size: int
    name: str

    @property
    def end(self) -> int:
        return self.begin + self.size

    @property
    def url(self) -> str:
        return f"{self.file}#at={self.begin}+{self.size}&member={self.name}"


def window_of(url: str) -> Window | None:
    """The window that a url names; None of a whole file."""
    found = _URL.fullmatch(url)
    return Window(found[1], int(found[2]), int(found[3]), found[4]) if found else None


def opened(file: BinaryIO, window: Window) -> BinaryIO:
    """The bytes of the window as a seekable stream; closing it closes the file."""
    return BufferedReader(_Stream(file, window.begin, window.size))


class _Stream(RawIOBase):
    def __init__(self, file: BinaryIO, begin: int, size: int) -> None:
        self._file, self._begin, self._size = file, begin, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        self._file.seek(self._begin + self._at)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
