"""Opening a recording, whatever its container: one interface over soundfile and PyAV.

soundfile (wav flac ogg aiff ...) is asked first, PyAV (mp3 m4a webm g722 gsm mp4 ...) reads the rest.  Content decides,
not the name, except for formats that have no header.  Blocks are mono float32 at the recording's own rate.
mp3 is PyAV's: libsndfile's reader writes warnings to stderr at each seek, and stops at damage.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, Protocol

import av
import numpy as np
import soundfile

from embed import store
from embed.encoder import FloatArray
from embed.errors import InputError, UnsupportedFormat
from embed.inputs import suffix

# Nothing in these streams says what they are.
_HEADERLESS = {".g722": "g722", ".gsm": "gsm", ".ulaw": "mulaw", ".alaw": "alaw"}
_TELEPHONE = {"sample_rate": "8000"}

_PRE_ROLL_S = 1  # lossy codecs need some of the past before they are right
_GAP_S = 0.1  # a jump of the clock by more is lost sound; by less, rounding of timestamps
_UNKNOWN = 1 << 62  # what libsndfile calls the length of what it cannot measure


class Block(NamedTuple):
    """Consecutive samples; `lost` where they are only zeros in place of what could not be decoded."""

    samples: FloatArray
    lost: bool = False


class Stream(Protocol):
    rate: int
    channels: int

    @property
    def duration_s(self) -> float | None:
        """As the header says, or as counted; None where it cannot be known."""

    def blocks(self, first: int) -> Iterator[Block]:
        """From sample `first` (at `rate`) to the end, without gaps; nothing when the end is before it."""


@contextmanager
def open_stream(url: str) -> Iterator[Stream]:
    """Raises InputError (missing, empty) or UnsupportedFormat; storage's own errors pass through."""
    with store.open_input(url) as raw:
        file = _Watched(raw)
        if not file.read(1):
            raise InputError(f"{url}: empty file (0 bytes)")
        file.seek(0)
        stream = None if suffix(url) in _HEADERLESS else _soundfile(file, url)
        if stream is not None:
            with stream.file:
                yield stream
        else:
            file.seek(0)
            with _pyav(file, url) as other:
                yield other


class _Watched:
    """Remembers what went wrong in storage: inside a decoder's callback it would pass for the end of the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            self._error = self._error or error
            return b""

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: bytes) -> int:
        raise OSError("opened for reading")

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def _soundfile(file: _Watched, url: str) -> "_SoundFileStream | None":
    try:
        opened = soundfile.SoundFile(file)
    except soundfile.LibsndfileError:
        file.check()
        return None
    if opened.format == "MP3":
        opened.close()
        return None
    if opened.frames == 0:
        opened.close()
        file.check()
        raise InputError(f"{url}: holds no samples")
    return _SoundFileStream(opened, file, url)


class _SoundFileStream:
    def __init__(self, file: Any, watched: _Watched, url: str) -> None:
        self.file, self._url = file, url
        self.rate: int = file.samplerate
        self.channels: int = file.channels
        self._watched = watched

    @property
    def duration_s(self) -> float | None:
        return self.file.frames / self.rate if self.file.frames < _UNKNOWN else None

    def blocks(self, first: int) -> Iterator[Block]:
        if first >= self.file.frames:
            return
        at = max(first - _PRE_ROLL_S * self.rate, 0)
        behind = False
        while True:
            try:
                behind = behind or self.file.seek(at) == at
                samples = self.file.read(self.rate, dtype="float32", always_2d=True).mean(axis=1)
            except soundfile.LibsndfileError:
                self._watched.check()
                yield from self._rest(max(first, at))
                return
            self._watched.check()
            if not len(samples):
                return
            yield from _from(first, at, Block(samples))
            at += len(samples)

    def _rest(self, at: int) -> Iterator[Block]:
        """libsndfile gives up at damage; PyAV finds its way behind it."""
        self._watched.seek(0)
        try:
            with _pyav(self._watched, self._url) as other:
                yield from other.blocks(at)
        except UnsupportedFormat:
            return


@contextmanager
def _pyav(file: _Watched, url: str) -> Iterator["_AvStream"]:
    stream = _AvStream(file, url)
    try:
        yield stream
    finally:
        stream.close()


class _AvStream:
    def __init__(self, file: _Watched, url: str) -> None:
        self._watched, self._url = file, url
        self._open()
        self.rate: int = self._stream.rate
        self.channels: int = self._stream.channels
        self._origin = float((self._stream.start_time or 0) * self._stream.time_base)

    def close(self) -> None:
        self._container.close()

    def _open(self) -> None:
        form = _HEADERLESS.get(suffix(self._url))
        options = _TELEPHONE if form in ("mulaw", "alaw") else {}
        try:
            self._container = av.open(self._watched, format=form, options=options, metadata_errors="ignore")
        except (av.FFmpegError, ValueError) as error:
            self._watched.check()
            raise UnsupportedFormat(f"{self._url}: no reader knows this format, or the file is damaged") from error
        streams = self._container.streams.audio
        if not streams or not streams[0].rate:
            name = self._container.format.name
            self.close()
            raise UnsupportedFormat(f"{self._url}: {name} without a readable audio stream")
        self._stream = streams[0]
        self._fresh = True

    def _rewind(self) -> None:
        """To the very beginning: seeking there may lose the first packet, so the container is opened anew."""
        if not self._fresh:
            self.close()
            self._watched.seek(0)
            self._open()
        self._fresh = False

    @property
    def duration_s(self) -> float | None:
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration and "aac" not in self._container.format.name:  # raw aac's is a guess
            return float(self._container.duration / av.time_base)
        return self._counted()

    def _counted(self) -> float | None:
        """By reading all packets, undecoded: browsers' recordings state no duration."""
        ends = [0.0]
        try:
            self._rewind()
            for packet in self._container.demux(self._stream):
                if packet.pts is not None:
                    ends.append(float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._origin)
        except av.FFmpegError:
            pass  # what came before it counts
        self._watched.check()
        return max(ends) or None

    def blocks(self, first: int) -> Iterator[Block]:
        at: int | None = None
        for start, samples in self._frames(first):
            at = min(start, first) if at is None else at
            if start - at > _GAP_S * self.rate:
                yield from _from(first, at, Block(np.zeros(start - at, np.float32), lost=True))
                at = start
            yield from _from(first, at, Block(samples))
            at += len(samples)

    def _frames(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        """Decoded frames with their places, from some place at or before `first`."""
        frames = self._decoded(max(first / self.rate - _PRE_ROLL_S, 0.0))
        head = next(frames, None)
        if first and (head is None or head[0] > first):  # the container's index is wrong or missing
            frames = self._decoded(0.0)
            head = next(frames, None)
        if head is not None:
            yield head
            yield from frames

    def _decoded(self, from_s: float) -> Iterator[tuple[int, FloatArray]]:
        if from_s == 0.0:
            self._rewind()
        else:
            self._fresh = False
            self._container.seek(round((from_s + self._origin) / self._stream.time_base), stream=self._stream)
        planar = av.AudioResampler(format="fltp")
        at = 0
        for frame in self._decodable():
            at = at if frame.pts is None else round((float(frame.pts * frame.time_base) - self._origin) * self.rate)
            for plain in planar.resample(frame):
                samples = plain.to_ndarray().mean(axis=0, dtype=np.float32)
                yield at, samples
                at += len(samples)

    def _decodable(self) -> Iterator[Any]:
        """Damaged packets are passed over: the clock of the next good one shows the gap."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else []
            except av.error.EOFError:
                return
            except av.error.InvalidDataError:
                continue
            self._watched.check()
            if packet is None:
                return
            yield from frames


def _from(first: int, at: int, block: Block) -> Iterator[Block]:
    """The part of a block, which begins at `at`, that is not before `first`."""
    keep = block.samples[max(first - at, 0) :]
    if len(keep):
        yield Block(keep, block.lost)
