"""Recoded text: a stream of any encoding as a seekable stream of UTF-8."""

import codecs
import io
from typing import Any, BinaryIO

_STEP = 1 << 16  # bytes of the source that are decoded at a time
_APART = 1 << 20  # bytes between two places from which decoding can begin again
_ERRORS = "deglu.undecodable"


def _as_no_text(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


# A byte that the encoding does not have becomes 0xff, which is not UTF-8: what it is in is then reported, not changed.
codecs.register_error(_ERRORS, _as_no_text)


class Recoded(io.RawIOBase):
    """UTF-8 of a stream in another encoding; it closes the stream.

    The decoder's state is kept for every MiB, so that seeking back decodes little, also in stateful encodings.
    """

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
        self._at, self._rest = 0, b""
        self._states: list[tuple[int, int, Any]] = []  # place here, place in the source, state
        self._source.seek(0)
        self._keep_state()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._decode()
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._at, self._rest = self._at + len(part), self._rest[len(part) :]
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Forward as far as there is text."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the length is not known")
        place = offset + (self._at if whence == io.SEEK_CUR else 0)
        if place < self._at:
            self._return_before(place)
        while self._at < place and self.read(min(place - self._at, _STEP)):
            pass
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def _decode(self) -> None:
        """The next bytes in `_rest`; nothing at the end."""
        if self._at >= self._states[-1][0] + _APART:
            self._keep_state()
        while not self._rest and (data := self._source.read(_STEP)):
            self._rest = _utf8(self._decoder.decode(data))
        self._rest = self._rest or _utf8(self._decoder.decode(b"", True))

    def _keep_state(self) -> None:
        self._states.append((self._at, self._source.tell(), self._decoder.getstate()))

    def _return_before(self, place: int) -> None:
        at, source, state = next(one for one in reversed(self._states) if one[0] <= place)
        self._source.seek(source)
        self._decoder.setstate(state)
        self._at, self._rest = at, b""


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
