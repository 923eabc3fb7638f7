"""Container formats: one interface to recordings over soundfile, PyAV and our own reader of mp3.

soundfile (wav flac aiff ...) is tried first, PyAV (ogg m4a webm g722 gsm mp4 ...) reads the rest.  Content decides,
not the name, except for formats that have no header.  Blocks are float32 at the recording's own rate.
PyAV reads ogg and libsndfile only measures it: libsndfile skips damaged pages silently, so later sound is too early.
Values in a header are accepted only within the limits of `embed.audio.stream`; where it is wrong about the length of
its sound, that is found in the file.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import soundfile

from embed.audio import flac, links, wav
from embed.audio.chain import Chain, Unreadable
from embed.audio.ffmpeg import FfmpegStream, by_ffmpeg, headerless
from embed.audio.ffmpeg.tracks import refuse_missing
from embed.audio.mp3 import by_frames
from embed.audio.mp3_frames import header_at
from embed.audio.stream import PRE_ROLL_S, Block, Stream, Watched, check_claims, credible_s, frames_of, kept
from embed.audio.table_sounds import open_recording
from embed.encoder import FloatArray
from embed.errors import InputError, UnsupportedFormat

_UNKNOWN = 1 << 62  # libsndfile's length of a stream that it cannot measure
_BLOCK_VALUES = 1 << 22  # values of all channels together
_STEP_OF_16_BITS = np.float32(2**-15)


@contextmanager
def open_stream(url: str, tracks: Sequence[int] | None = None) -> Iterator[Stream]:
    """`tracks` are the sound tracks to mix, from 0; by default they are chosen, see `embed.audio.ffmpeg.tracks`.

    Raises InputError (missing, empty, no such track) or UnsupportedFormat; storage's own errors pass through.
    """
    with open_recording(url) as raw, ExitStack() as opened:
        file = Watched(raw)
        if not file.size:
            raise InputError(f"{url}: empty file (0 bytes)")
        parts = _parts(file, url)
        if len(parts) == 1:
            yield opened.enter_context(_opened(file, url, tracks))
        else:
            yield Chain(_readable(parts, url, tracks, opened))


def _readable(files: list[Watched], url: str, tracks: Sequence[int] | None, opened: ExitStack) -> list[Stream]:
    """A stream of each; of one that cannot be read the length follows from its bytes.  Raises where none can be."""
    found: list[Stream | None] = []
    errors: list[InputError] = []
    for file in files:
        try:
            found.append(opened.enter_context(_opened(file, url, tracks)))
        except InputError as error:
            found.append(None)
            errors.append(error)
    known = [(file.size, stream.duration_s or 0.0) for file, stream in zip(files, found, strict=True) if stream]
    if not known:
        raise errors[0]
    size, seconds = map(sum, zip(*known, strict=True))
    return [stream or Unreadable(seconds * file.size / size) for file, stream in zip(files, found, strict=True)]


def _parts(file: Watched, url: str) -> list[Watched]:
    """The recordings in a file, one after the other; most files are one."""
    ranges = flac.streams(file, url) or links.ranges(file, url) or wav.files(file)
    return [file.part(begin, end) for begin, end in ranges]


@contextmanager
def _opened(file: Watched, url: str, tracks: Sequence[int] | None) -> Iterator[Stream]:
    stream = None if headerless(file, url) or _is_mp3(file) else _soundfile(file, url)
    if stream is not None and stream.file.frames and stream.file.format != "OGG":
        with stream.file:
            refuse_missing(url, tracks, 1)
            yield stream
    else:
        if stream is not None:
            stream.file.close()
        file.seek(0)
        with ExitStack() as opened:
            other = _by_ffmpeg(file, url, stream, tracks, opened)
            yield _mp3(file, url) or other if other.format == "mp3" else other


def _by_ffmpeg(
    file: Watched, url: str, sound: "_SoundFileStream | None", tracks: Sequence[int] | None, opened: ExitStack
) -> FfmpegStream:
    """`sound` is the same, where libsndfile measured it, or found none: its header may be wrong."""
    empty = sound is not None and not sound.file.frames
    try:
        stream = opened.enter_context(by_ffmpeg(file, url, sound.duration_s if sound else None, tracks))
    except UnsupportedFormat:
        if not empty:
            raise
    else:
        if not empty or stream.duration_s is not None:
            return stream
    raise InputError(f"{url}: the recording has no samples")


def _is_mp3(file: Watched) -> bool:
    """By the first bytes alone: libsndfile's reader of mp3 writes warnings to stderr."""
    head = file.read_at(0, 4)
    return head[:3] == b"ID3" or header_at(head, 0) is not None


def _soundfile(file: Watched, url: str) -> "_SoundFileStream | None":
    """None where another reader is better: mp3, and streams whose length libsndfile does not know."""
    raw = wav.beyond(file)
    opened = _sound(file) if raw is None else _sound(file.part(raw.begin, raw.end), raw)
    file.check()
    if opened is None:
        return None
    longer = opened.format == "FLAC" and flac.is_longer(file)
    if opened.format == "MP3" or opened.frames >= _UNKNOWN or longer:
        opened.close()
        return None
    try:
        check_claims(url, opened.samplerate, opened.channels)
    except UnsupportedFormat:
        opened.close()
        raise
    return _SoundFileStream(opened, file, url)


def _sound(file: Watched, raw: wav.Raw | None = None) -> Any:
    """libsndfile's object; None where it cannot read the format."""
    file.seek(0)
    form = (raw.rate, raw.channels, raw.subtype, raw.endian, "RAW") if raw else ()
    try:
        return soundfile.SoundFile(file, "r", *form)
    except (soundfile.LibsndfileError, OSError):
        return None


def _mp3(file: Watched, url: str) -> Stream | None:
    """None where there are no frames of a supported bitrate ("free" bitrates are not supported)."""
    try:
        return by_frames(file, url)
    except UnsupportedFormat:
        return None


class _SoundFileStream(Stream):
    def __init__(self, file: Any, watched: Watched, url: str) -> None:
        self.file, self._url = file, url
        self.rate: int = file.samplerate
        self.channels: int = file.channels
        self._watched = watched

    @property
    def duration_s(self) -> float | None:
        """Of a truncated wav, the duration in its header: libsndfile gives only that of the rest."""
        readable_s = credible_s(self.file.frames / self.rate, self._watched.size)
        stated = wav.stated_frames(self._watched) if self.file.format in ("WAV", "WAVEX", "RF64") else 0
        return max(readable_s, credible_s(stated / self.rate, self._watched.size) or 0.0) if readable_s else None

    def blocks(self, first: int) -> Iterator[Block]:
        if first >= self.file.frames:
            return
        at = max(first - PRE_ROLL_S * self.rate, 0)
        size = min(self.rate, _BLOCK_VALUES // self.channels)
        behind = False
        while True:
            try:
                behind = behind or self.file.seek(at) == at
                samples = frames_of(self._read(size).T)
            except (soundfile.LibsndfileError, OSError):
                self._watched.check()
                yield from self._rest(max(first, at))
                return
            self._watched.check()
            if not len(samples):
                return
            yield from kept(first, at, Block(samples))
            at += len(samples)

    def _read(self, size: int) -> FloatArray:
        """[N, C].  libsndfile converts 16 bits to floats in pieces of some kilobytes, each read through Python."""
        if self.file.subtype == "PCM_16" and self.file.format != "FLAC":
            whole_numbers = self.file.read(size, dtype="int16", always_2d=True)
            scaled: FloatArray = np.multiply(whole_numbers, _STEP_OF_16_BITS, dtype=np.float32)
            return scaled
        found: FloatArray = self.file.read(size, dtype="float32", always_2d=True)
        return found

    def _rest(self, at: int) -> Iterator[Block]:
        """libsndfile stops at damage; PyAV continues after it."""
        self._watched.seek(0)
        try:
            with by_ffmpeg(self._watched, self._url, self.duration_s) as other:
                if other.rate == self.rate:
                    yield from other.blocks(at)
        except UnsupportedFormat:
            return
