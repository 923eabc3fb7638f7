"""Reader of the formats of ffmpeg, through PyAV: ogg m4a webm g722 gsm mp4 aac ...

Damaged packets are skipped, and the timestamp of the next good one gives the length of the gap.  A timestamp that jumps
further than the header's duration or ten minutes is ignored.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

from embed.audio.stream import PRE_ROLL_S, Block, Watched, check_claims, credible_s, kept, lost_blocks, mono
from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat
from embed.file_kinds import suffix

# These streams have no header that names their format.
_HEADERLESS = {".g722": "g722", ".gsm": "gsm", ".ulaw": "mulaw", ".alaw": "alaw"}
_TELEPHONE = {"sample_rate": "8000"}
_MAGIC = (b"RIFF", b"RF64", b"FORM", b"OggS", b"fLaC", b"ID3", b"caff", b"\x1aE\xdf\xa3")  # the last is webm's

_GAP_S = 0.1  # a longer jump of the timestamps is lost sound; a shorter one is rounding
_LONGEST_GAP_S = 600  # where no duration is stated, a longer jump is a wrong timestamp
_MOST_ERRORS = 1000  # in a row: more than damage causes; the reader does not advance
# Readers of playlists would open other files, or the network.
_OPTIONS = {"protocol_whitelist": "none"}


@contextmanager
def by_ffmpeg(file: Watched, url: str, measured_s: float | None = None) -> Iterator["FfmpegStream"]:
    stream = FfmpegStream(file, url, measured_s)
    try:
        yield stream
    finally:
        stream.close()


def headerless(file: Watched, url: str) -> str | None:
    """The format by the file's name, for streams without a header."""
    return None if file.read_at(0, 4).startswith(_MAGIC) else _HEADERLESS.get(suffix(url))


class FfmpegStream:
    def __init__(self, file: Watched, url: str, measured_s: float | None) -> None:
        self._watched, self._url = file, url
        self._open()
        self.format: str = self._container.format.name
        self.rate: int = self._stream.rate
        self.channels: int = self._stream.channels
        try:
            check_claims(url, self.rate, self.channels)
        except UnsupportedFormat:
            self.close()
            raise
        # soundfile can measure other oggs.  A chain states the duration of one link, and ffmpeg cannot seek in it.
        self._measured_s = measured_s
        self._chained = self.format == "ogg" and measured_s is None
        self._origin = float((self._stream.start_time or 0) * self._stream.time_base)

    def close(self) -> None:
        self._container.close()

    def _open(self) -> None:
        form = headerless(self._watched, self._url)
        self._watched.seek(0)
        options = {**_OPTIONS, **(_TELEPHONE if form in ("mulaw", "alaw") else {})}
        try:
            self._container = av.open(self._watched, format=form, options=options, metadata_errors="ignore")
        except (av.FFmpegError, ValueError, OSError) as error:
            self._watched.check()
            raise UnsupportedFormat(f"{self._url}: no reader knows this format, or the file is damaged") from error
        streams = self._container.streams.audio
        if not streams or not getattr(streams[0], "rate", None):  # a stream of an unknown codec has none
            name = self._container.format.name
            self.close()
            raise UnsupportedFormat(f"{self._url}: {name} without a readable audio stream")
        self._stream = streams[0]
        self._fresh = True

    def _rewind(self) -> None:
        """To the very beginning: seeking may lose the first packet, so the container is opened again."""
        if not self._fresh:
            self.close()
            self._watched.seek(0)
            self._open()
        self._fresh = False

    @property
    def duration_s(self) -> float | None:
        return self._stated_s() or credible_s(self._counted(), self._watched.size)

    def _stated_s(self) -> float | None:
        stated = None
        if self._chained or self._measured_s:  # ffmpeg counts the silence that opus skips
            return self._measured_s
        if self._stream.duration:
            stated = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration and "aac" not in self.format:  # raw aac's is a guess
            stated = float(self._container.duration / av.time_base)
        return credible_s(stated, self._watched.size)

    def _counted(self) -> float | None:
        """Duration by reading all packets without decoding: browsers' recordings state none."""
        most = end = links = 0.0
        try:
            self._rewind()
            for packet in self._container.demux(self._stream):
                if packet.pts is None:
                    continue
                start = float(packet.pts * packet.time_base) - self._origin + links
                if start < end - PRE_ROLL_S:  # another link of a chain, whose timestamps start again
                    links, start = links + end - start, end
                end = start + float((packet.duration or 0) * packet.time_base)
                most = max(most, end)
        except av.FFmpegError:
            pass  # packets before the error count
        self._watched.check()
        return most or None

    def blocks(self, first: int) -> Iterator[Block]:
        at: int | None = None
        stated_s = self._stated_s()
        for start, samples in self._frames(first):
            at = max(min(start, first), -self.rate) if at is None else at
            furthest = at + _LONGEST_GAP_S * self.rate if stated_s is None else (stated_s + 1) * self.rate
            if _GAP_S * self.rate < start - at and start <= furthest:
                yield from lost_blocks(first, at, start, self.rate)
                at = start
            yield from kept(first, at, Block(samples))
            at += len(samples)

    def _frames(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        """Decoded frames with their places, from some place at or before `first`."""
        frames = self._decoded(0.0 if self._chained else max(first / self.rate - PRE_ROLL_S, 0.0))
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
        elif not self._sought(from_s):
            return
        plain = _Plain(self.rate)
        at = 0
        for frame in self._decodable():
            at = at if frame.pts is None else round((float(frame.pts * frame.time_base) - self._origin) * self.rate)
            for samples in plain(frame):
                yield at, samples
                at += len(samples)

    def _sought(self, from_s: float) -> bool:
        self._fresh = False
        try:
            self._container.seek(round((from_s + self._origin) / self._stream.time_base), stream=self._stream)
        except av.FFmpegError:
            self._watched.check()
            return False
        return True

    def _decodable(self) -> Iterator[Any]:
        """Packets that can be decoded; the timestamp after a damaged one shows the gap."""
        packets = self._container.demux(self._stream)
        errors = 0
        while errors < _MOST_ERRORS:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else []
            except av.error.EOFError:
                return
            except av.FFmpegError:
                self._watched.check()
                errors += 1
                continue
            self._watched.check()
            if packet is None:
                return
            errors = 0
            yield from frames


class _Plain:
    """Conversion of any frames to mono float32 at one rate: a damaged stream may change its layout."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resamplers: dict[tuple[str, str, int], Any] = {}

    def __call__(self, frame: Any) -> Iterator[FloatArray]:
        try:
            check_claims("", frame.sample_rate, frame.layout.nb_channels)
            key = (frame.format.name, frame.layout.name, frame.sample_rate)
            if key not in self._resamplers:
                self._resamplers[key] = av.AudioResampler(format="flt", rate=self._rate)
            frame.pts = None
            parts = self._resamplers[key].resample(frame)
        except (av.FFmpegError, ValueError, UnsupportedFormat):
            return
        for part in parts:
            # Not planar: av reads beyond its memory where there are more than eight planes.
            yield mono(part.to_ndarray().reshape(part.samples, -1).T)
