"""Opening a recording, whatever its container: one interface over soundfile, PyAV and our own reader of mp3.

soundfile (wav flac ogg aiff ...) is asked first, PyAV (m4a webm g722 gsm mp4 ...) reads the rest.  Content decides,
not the name, except for formats that have no header.  Blocks are mono float32 at the recording's own rate.
What a header claims is believed within `embed.blocks`' limits only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import soundfile

from embed import store
from embed.blocks import PRE_ROLL_S, Block, Stream, Watched, check_claims, credible_s, kept, lost_blocks, mono
from embed.encoder import FloatArray
from embed.errors import InputError, UnsupportedFormat
from embed.inputs import suffix
from embed.mp3 import Mp3Stream
from embed.mp3_frames import header_at
from embed.wav_promise import promised_frames

# Nothing in these streams says what they are.
_HEADERLESS = {".g722": "g722", ".gsm": "gsm", ".ulaw": "mulaw", ".alaw": "alaw"}
_TELEPHONE = {"sample_rate": "8000"}
_MAGIC = (b"RIFF", b"FORM", b"OggS", b"fLaC", b"ID3")

_GAP_S = 0.1  # a jump of the clock by more is lost sound; by less, rounding of timestamps
_LONGEST_GAP_S = 600  # where no duration is stated, a longer jump is a lie of the clock
_UNKNOWN = 1 << 62  # what libsndfile calls the length of what it cannot measure
_BLOCK_VALUES = 1 << 22  # of all channels together
_MOST_ERRORS = 1000  # in a row: what no damage gives, but a reader that does not move
# Readers of playlists would open other files, or the network.
_OPTIONS = {"protocol_whitelist": "none"}


@contextmanager
def open_stream(url: str) -> Iterator[Stream]:
    """Raises InputError (missing, empty) or UnsupportedFormat; storage's own errors pass through."""
    with store.open_input(url) as raw:
        file = Watched(raw)
        if not file.size:
            raise InputError(f"{url}: empty file (0 bytes)")
        stream = None if _headerless(file, url) or _is_mp3(file) else _soundfile(file, url)
        if stream is not None and stream.file.format != "OGG":
            with stream.file:
                yield stream
        else:
            if stream is not None:
                stream.file.close()
            file.seek(0)
            with _pyav(file, url, stream.duration_s if stream else None) as other:
                yield _mp3(file, url) or other if other.format == "mp3" else other


def _headerless(file: Watched, url: str) -> str | None:
    """The format that the name alone tells."""
    return None if file.read_at(0, 4).startswith(_MAGIC) else _HEADERLESS.get(suffix(url))


def _is_mp3(file: Watched) -> bool:
    """At first sight: libsndfile's reader of it writes warnings to stderr."""
    head = file.read_at(0, 4)
    return head[:3] == b"ID3" or header_at(head, 0) is not None


def _soundfile(file: Watched, url: str) -> "_SoundFileStream | None":
    """None where others do better: mp3, and what libsndfile cannot measure (of a chained ogg it reads one link)."""
    file.seek(0)
    try:
        opened = soundfile.SoundFile(file)
    except (soundfile.LibsndfileError, OSError):
        file.check()
        return None
    file.check()
    if opened.format == "MP3" or opened.frames >= _UNKNOWN:
        opened.close()
        return None
    try:
        check_claims(url, opened.samplerate, opened.channels)
        if opened.frames <= 0:
            raise InputError(f"{url}: holds no samples")
    except InputError:
        opened.close()
        raise
    return _SoundFileStream(opened, file, url)


def _mp3(file: Watched, url: str) -> Mp3Stream | None:
    """None where there are none of the frames that we know ("free" bitrates)."""
    try:
        return Mp3Stream(file, url)
    except UnsupportedFormat:
        return None


class _SoundFileStream:
    def __init__(self, file: Any, watched: Watched, url: str) -> None:
        self.file, self._url = file, url
        self.rate: int = file.samplerate
        self.channels: int = file.channels
        self._watched = watched

    @property
    def duration_s(self) -> float | None:
        """Of a wav that was cut short, what its header promises: libsndfile tells what is left alone."""
        held_s = credible_s(self.file.frames / self.rate, self._watched.size)
        promised = promised_frames(self._watched) if self.file.format in ("WAV", "WAVEX", "RF64") else 0
        return max(held_s, credible_s(promised / self.rate, self._watched.size) or 0.0) if held_s else None

    def blocks(self, first: int) -> Iterator[Block]:
        if first >= self.file.frames:
            return
        at = max(first - PRE_ROLL_S * self.rate, 0)
        size = min(self.rate, _BLOCK_VALUES // self.channels)
        behind = False
        while True:
            try:
                behind = behind or self.file.seek(at) == at
                samples = mono(self.file.read(size, dtype="float32", always_2d=True).T)
            except (soundfile.LibsndfileError, OSError):
                self._watched.check()
                yield from self._rest(max(first, at))
                return
            self._watched.check()
            if not len(samples):
                return
            yield from kept(first, at, Block(samples))
            at += len(samples)

    def _rest(self, at: int) -> Iterator[Block]:
        """libsndfile gives up at damage; PyAV finds its way behind it."""
        self._watched.seek(0)
        try:
            with _pyav(self._watched, self._url, self.duration_s) as other:
                if other.rate == self.rate:
                    yield from other.blocks(at)
        except UnsupportedFormat:
            return


@contextmanager
def _pyav(file: Watched, url: str, measured_s: float | None = None) -> Iterator["_AvStream"]:
    stream = _AvStream(file, url, measured_s)
    try:
        yield stream
    finally:
        stream.close()


class _AvStream:
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
        # Other oggs soundfile can measure.  What a chain states is one link's, and ffmpeg cannot seek in it.
        self._measured_s = measured_s
        self._chained = self.format == "ogg" and measured_s is None
        self._origin = float((self._stream.start_time or 0) * self._stream.time_base)

    def close(self) -> None:
        self._container.close()

    def _open(self) -> None:
        form = _headerless(self._watched, self._url)
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
        """To the very beginning: seeking there may lose the first packet, so the container is opened anew."""
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
        """By reading all packets, undecoded: browsers' recordings state no duration."""
        most = end = links = 0.0
        try:
            self._rewind()
            for packet in self._container.demux(self._stream):
                if packet.pts is None:
                    continue
                start = float(packet.pts * packet.time_base) - self._origin + links
                if start < end - PRE_ROLL_S:  # another link of a chain, whose clock begins anew
                    links, start = links + end - start, end
                end = start + float((packet.duration or 0) * packet.time_base)
                most = max(most, end)
        except av.FFmpegError:
            pass  # what came before it counts
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
        """Damaged packets are passed over: the clock of the next good one shows the gap."""
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
    """Mono float32 at one rate of whatever frames come: a damaged stream may change its layout on the way."""

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
