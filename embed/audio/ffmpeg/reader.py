"""Reader of the formats of ffmpeg, through PyAV: ogg m4a webm mkv mp4 ts mxf g722 gsm aac amr ...

Zero is the beginning of the film, as players show it: sound that begins after the picture is preceded by silence.
Damaged packets are skipped, and the timestamp of the next good one gives the length of the gap (`gaps`).
Of several sound tracks `tracks` chooses.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from typing import Any

import av

from embed.audio.ffmpeg.frames import Frames, Run, has_sound, length
from embed.audio.ffmpeg.gaps import Faults, Line, is_pause, pauses_of
from embed.audio.ffmpeg.lengths import film_begin, stated_end
from embed.audio.ffmpeg.programme import channels_together
from embed.audio.ffmpeg.protection import is_encrypted, protected
from embed.audio.ffmpeg.restarts import READ_THROUGH, restarts
from embed.audio.ffmpeg.tracks import chosen, readable_tracks
from embed.audio.stream import PRE_ROLL_S, Block, Watched, check_claims, credible_s, frames_of, kept, lost_blocks
from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat
from embed.file_kinds import suffix

# These streams have no header that names their format.
_HEADERLESS = {".g722": "g722", ".gsm": "gsm", ".ulaw": "mulaw", ".alaw": "alaw"}
_TELEPHONE = {"sample_rate": "8000"}
_MAGIC = (b"RIFF", b"RF64", b"FORM", b"OggS", b"fLaC", b"ID3", b"caff", b"\x1aE\xdf\xa3")  # the last is webm's

_COUNTED = ("aac",)  # its times are counted from the rate of its first frame, so they know no pauses
_MOST_ERRORS = 1000  # in a row: more than damage causes; the reader does not advance
# Readers of playlists would open other files, or the network.
OPTIONS = {"protocol_whitelist": "none"}

Placed = tuple[int, int, Any]  # number of the track among the chosen, place of its first sample, a frame or samples


@contextmanager
def by_ffmpeg(
    file: Watched, url: str, measured_s: float | None = None, tracks: Sequence[int] | None = None
) -> Iterator["FfmpegStream"]:
    stream = FfmpegStream(file, url, measured_s, tracks)
    try:
        yield stream
    finally:
        stream.close()


def headerless(file: Watched, url: str) -> str | None:
    """The format by the file's name, for streams without a header."""
    return None if file.read_at(0, 4).startswith(_MAGIC) else _HEADERLESS.get(suffix(url))


class FfmpegStream:
    """`embed.audio.stream.Stream` of the tracks that are chosen, mixed where they are several."""

    def __init__(self, file: Watched, url: str, measured_s: float | None, tracks: Sequence[int] | None) -> None:
        self._watched, self._url = file, url
        self._open()
        self.format: str = self._container.format.name
        try:
            self._places = self._choose(tracks)
            self._streams = self._chosen()
            self.rate: int = self._streams[0].rate
            self.channels: int = sum(stream.channels for stream in self._streams)
            check_claims(url, self.rate, self.channels)
        except Exception:
            self.close()
            raise
        self.tracks = self._places if len(self._container.streams.audio) > 1 else None
        # soundfile can measure other oggs.  A chain states the duration of one link, and ffmpeg cannot seek in it.
        self._measured_s = measured_s
        self._origin = film_begin(self._container, self._streams)
        self._header_s, self.estimated = self._header()

    def close(self) -> None:
        self._container.close()

    def _open(self) -> None:
        form = headerless(self._watched, self._url)
        self._watched.seek(0)
        options = {**OPTIONS, **(_TELEPHONE if form in ("mulaw", "alaw") else {})}
        try:
            self._container = av.open(self._watched, format=form, options=options, metadata_errors="ignore")
        except (av.FFmpegError, ValueError, OSError) as error:
            self._watched.check()
            raise UnsupportedFormat(f"{self._url}: no reader knows this format, or the file is damaged") from error
        self._fresh = True

    def _choose(self, tracks: Sequence[int] | None) -> list[int]:
        """Positions of the tracks to decode, among the sound tracks."""
        readable = readable_tracks(self._container, self._url, tracks)
        if tracks or len(readable) == 1:
            return readable
        self._fresh = False
        best = chosen(self._container, readable)
        self._watched.check()
        return best

    def _chosen(self) -> list[Any]:
        sound = self._container.streams.audio
        if len(sound) <= max(self._places):
            raise UnsupportedFormat(f"{self._url}: its sound tracks changed while it was read")
        return [sound[place] for place in self._places]

    def _rewind(self) -> None:
        """To the very beginning: seeking may lose the first packet, so the container is opened again."""
        if not self._fresh:
            self.close()
            self._watched.seek(0)
            self._open()
            self._streams = self._chosen()
        self._fresh = False

    @property
    def duration_s(self) -> float | None:
        if self.format.startswith("mov"):
            self._fresh = False
            next(self._packets(self._streams), None)  # raises where it is encrypted
        return self._header_s or credible_s(self._counted(), self._watched.size)

    def _header(self) -> tuple[float | None, bool]:
        """Duration by the header, and whether it is an estimate."""
        if self._chained or self._measured_s:  # ffmpeg counts the silence that opus skips
            return self._measured_s, self.format in READ_THROUGH
        end_s, estimated = stated_end(self._container, self._streams, self._origin)
        end_s = credible_s(end_s, self._watched.size)
        return end_s, estimated and end_s is not None  # what is counted instead is exact

    @cached_property
    def _chained(self) -> bool:
        """Whether this is a chain, in which a place can only be found by reading all before it."""
        if self.format == "ogg":
            return self._measured_s is None
        if self.format not in READ_THROUGH:
            return False
        self._fresh = False
        found = restarts(self._container, self._streams[0], self._watched.size)
        self._watched.check()
        return found

    def _counted(self) -> float | None:
        """Duration by reading all packets without decoding: browsers' recordings state none."""
        most = end = links = 0.0
        self._rewind()
        for packet in self._packets(self._streams):
            if packet.pts is None:
                continue
            start = self._seconds(packet.pts, packet.time_base) + links
            if start < end - PRE_ROLL_S:  # another link of a chain, whose timestamps start again
                links, start = links + end - start, end
            end = start + float((packet.duration or 0) * packet.time_base)
            most = max(most, end)
        return most or None

    def blocks(self, first: int) -> Iterator[Block]:
        parts = self._parts(first)
        if len(self._streams) > 1:
            yield from channels_together(parts, len(self._streams), self.rate)
        else:
            yield from (block for _, block in parts)

    def _parts(self, first: int) -> Iterator[tuple[int, Block]]:
        """The number of a track, and its next block; each track's begin at `first`."""
        self._faults = Faults(self.format)
        lines: dict[int, Line] = {}
        furthest = None if self._header_s is None else round((self._header_s + 1) * self.rate)
        runs = [Run(self.rate, self.rate if len(self._streams) == 1 else 1) for _ in self._streams]
        for number, start, sound in self._frames(first):
            line = lines.get(number)
            begins = line is None
            if line is None:
                line = lines[number] = Line(first, start, self.rate)
            if gap := line.gap(start, furthest):
                lost = self._faults.explain(line.at / self.rate, (line.at + gap) / self.rate, begins)
                gap = gap if lost or self.format not in _COUNTED else 0
                yield from _blocks(first, number, runs[number].taken())
                yield from ((number, block) for block in lost_blocks(first, line.at, line.at + gap, self.rate, lost))
                line.at += gap
            if complete := runs[number].add(line.at, sound):
                yield from _blocks(first, number, complete)
            line.at += length(sound)
        for number, run in enumerate(runs):
            yield from _blocks(first, number, run.taken())

    def _frames(self, first: int) -> Iterator[Placed]:
        """Decoded frames with their places, from some place at or before `first`."""
        frames = self._decoded(0.0 if self._chained else max(first / self.rate - PRE_ROLL_S, 0.0))
        head = next(frames, None)
        if first and (head is None or head[1] > first):  # the container's index is wrong or missing
            frames = self._decoded(0.0)
            head = next(frames, None)
        if head is not None:
            yield head
            yield from frames

    def _decoded(self, from_s: float) -> Iterator[Placed]:
        if from_s == 0.0:
            self._rewind()
        elif not self._sought(from_s):
            return
        converters = [Frames(self.rate) for _ in self._streams]
        bases = [_fraction(stream.time_base) for stream in self._streams]
        at = [0] * len(self._streams)
        origin, rate = self._origin, self.rate
        for number, frame in self._decodable():
            pts = frame.pts
            if pts is not None:
                over, under = bases[number]
                at[number] = round((pts * over / under - origin) * rate)
            converter, same = converters[number], frame.sample_rate == rate
            if converter.has_rest or not same:
                for samples in map(frames_of, converter.rest() if same else converter(frame)):
                    yield number, at[number], samples
                    at[number] += len(samples)
            if same and has_sound(frame):
                yield number, at[number], frame
                at[number] += frame.samples
        for number, converter in enumerate(converters):
            for samples in map(frames_of, converter.rest()):
                yield number, at[number], samples
                at[number] += len(samples)

    def _seconds(self, pts: int, base: Fraction) -> float:
        """Place of a packet or a frame in the film."""
        over, under = _fraction(base)
        return pts * over / under - self._origin

    def _sought(self, from_s: float) -> bool:
        self._fresh = False
        stream = self._streams[0]
        try:
            self._container.seek(round((from_s + self._origin) / stream.time_base), stream=stream)
        except av.FFmpegError:
            self._watched.check()
            return False
        return True

    def _decodable(self) -> Iterator[tuple[int, Any]]:
        """Frames, each with the number of its track; packets without sound, or that cannot be decoded, are left out."""
        numbers = {stream.index: number for number, stream in enumerate(self._streams)}
        pauses = [pauses_of(stream) for stream in self._streams]
        bases: dict[int, tuple[int, int]] = {}
        errors, at_s, origin = 0, 0.0, self._origin
        check, see = self._watched.check, self._faults.see
        for packet in self._packets():
            check()
            index, pts = packet.stream_index, packet.pts
            number = numbers.get(index)
            over, under = bases[index] if index in bases else bases.setdefault(index, _fraction(packet.time_base))
            if pts is not None:
                at_s = pts * over / under - origin
            see(packet, at_s, None if number is None else (packet.duration or 0) * over / under)
            if number is None or (pauses[number] and is_pause(packet, pauses[number])):
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._watched.check()
                self._faults.add(at_s)
                errors += 1
                if errors == _MOST_ERRORS:
                    return
                continue
            errors = 0
            for frame in frames:
                yield number, frame

    def _packets(self, streams: Sequence[Any] = ()) -> Iterator[Any]:
        """Packets of these tracks, or of all, up to the end of the file or to damage that ffmpeg cannot pass."""
        is_film = self.format.startswith("mov")  # the only format whose reader knows common encryption
        for _ in range(_MOST_ERRORS):
            try:
                for packet in self._container.demux(list(streams)):
                    if is_film and is_encrypted(packet):
                        raise protected(self._url)
                    yield packet
            except av.error.BlockingIOError:  # a transport stream is searched for its next packet
                continue
            except av.FFmpegError:
                pass  # the packets before it count
            break
        self._watched.check()


def _blocks(first: int, number: int, found: Iterable[tuple[int, FloatArray]]) -> Iterator[tuple[int, Block]]:
    """The number of the track, and blocks without the samples before `first`."""
    yield from ((number, block) for at, samples in found for block in kept(first, at, Block(samples)))


def _fraction(base: Fraction) -> tuple[int, int]:
    """Of `count * over / under`, the float nearest to the exact product: another fraction costs ten times as much."""
    return base.numerator, base.denominator
