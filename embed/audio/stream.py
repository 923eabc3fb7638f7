"""Interface of the readers of recordings: blocks of samples, streams of blocks, and files that keep storage errors."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeVar

import numpy as np

from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat

PRE_ROLL_S = 1  # lossy codecs need some earlier sound before their output is right

# Limits of a header's values.  Outside of these it is wrong, and trusting it could cost unlimited memory.
RATES = (1_000, 768_000)
MOST_CHANNELS = 64
LONGEST_S = 10_000 * 3600.0
_NO_FILE = 1 << 60
_KEPT = 8
_LEAST_BYTES_PER_S = 0.5  # the smallest known is digital silence in flac at 8 kHz: 1.2


Key = tuple[str, int, bytes, int]
T = TypeVar("T")


class Block(NamedTuple):
    """Consecutive samples; `lost` where they are zeros in place of sound that could not be decoded."""

    samples: FloatArray  # [N] of one channel, [N, C] of several: `embed.audio.mix` needs to see them
    lost: bool = False


class Stream(Protocol):
    rate: int
    channels: int
    estimated: bool = False  # `duration_s` is a guess, or that of a picture: sound that ends earlier is not missing
    tracks: list[int] | None = None  # the sound tracks that are decoded, counted from 0; None where there is only one

    @property
    def duration_s(self) -> float | None:
        """From the header, or as counted; None where it is unknown."""

    def blocks(self, first: int) -> Iterator[Block]:
        """From sample `first` (at `rate`) to the end, without gaps; nothing when the recording ends before it."""


class Watched:
    """A file, or a part of one, that keeps storage's first error.

    In a decoder's callback an error would look like the end of the file.
    """

    def __init__(self, file: BinaryIO, begin: int = 0, end: int | None = None) -> None:
        self._file, self._begin, self._at = file, begin, 0
        self._error: Exception | None = None
        self.size = (file.seek(0, 2) if end is None else end) - begin

    def part(self, begin: int, end: int) -> "Watched":
        """The bytes [begin, end) as a file; both may be read in turn."""
        return Watched(self._file, self._begin + begin, self._begin + end)

    def read(self, size: int = -1) -> bytes:
        left = max(self.size - self._at, 0)
        if not left:
            return b""
        try:
            if self._file.tell() != self._begin + self._at:
                self._file.seek(self._begin + self._at)
            data = self._file.read(left if size < 0 else min(size, left))
        except Exception as error:
            self._error = self._error or error
            return b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """Raises storage's error."""
        self.seek(offset)
        data = self.read(size)
        self.check()
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """-1, and nothing moves, where a wrong header points before the beginning, or beyond the size of any file."""
        place = offset + (0, self._at, self.size)[whence] if whence in (0, 1, 2) else -1
        if not 0 <= place < _NO_FILE:
            return -1
        self._at = place
        return place

    def tell(self) -> int:
        return self._at

    def write(self, data: bytes) -> int:
        raise OSError("opened for reading")

    def check(self) -> None:
        if self._error is not None:
            raise self._error


class Recent(dict[Key, T]):
    """What was measured by reading files through, of the last few in this process."""

    def of(self, key: Key, measure: Callable[[], T]) -> T:
        """The value at `key`, measured where it is not known."""
        if key not in self:
            value = measure()
            while len(self) >= _KEPT:
                self.pop(next(iter(self)), None)
            self[key] = value
        return self[key]


def key_of(file: Watched, url: str, first: int = 0) -> Key:
    """Key of the sound from byte `first` of a file with this beginning."""
    return url, file.size, file.read_at(0, 4096), first


def check_claims(url: str, rate: int, channels: int) -> None:
    """Raises UnsupportedFormat where no sound has this rate or so many channels."""
    if not RATES[0] <= rate <= RATES[1]:
        raise UnsupportedFormat(f"{url}: the header states {rate} Hz; supported are {RATES[0]} to {RATES[1]} Hz")
    if not 1 <= channels <= MOST_CHANNELS:
        raise UnsupportedFormat(f"{url}: the header states {channels} channels; supported are 1 to {MOST_CHANNELS}")


def credible_s(duration_s: float | None, size_bytes: int) -> float | None:
    """The duration; None where a file of this size cannot hold so much sound."""
    if duration_s is None or not 0 < duration_s <= min(LONGEST_S, size_bytes / _LEAST_BYTES_PER_S):
        return None
    return duration_s


def kept(first: int, at: int, block: Block) -> Iterator[Block]:
    """The part of a block, which begins at `at`, that is not before `first`."""
    rest = block.samples[max(first - at, 0) :]
    if len(rest):
        yield Block(rest, block.lost)


def lost_blocks(first: int, at: int, until: int, rate: int, lost: bool = True) -> Iterator[Block]:
    """Zeros from `at` to `until`, in blocks of ten seconds at most, without those before `first`."""
    for start in range(max(first, at), until, 10 * rate):
        yield Block(np.zeros(min(10 * rate, until - start), np.float32), lost)


def frames_of(channels_CN: FloatArray) -> FloatArray:
    """[N] of one channel, else [N, C]."""
    return channels_CN[0] if len(channels_CN) == 1 else channels_CN.T


def mono(channels_CN: FloatArray) -> FloatArray:
    """[N], the mean of all channels; not finite where one of them is not."""
    with np.errstate(invalid="ignore", over="ignore"):
        mixed: FloatArray = channels_CN.mean(axis=0, dtype=np.float32)
    return mixed
