"""Sound tracks of a container: which of several is decoded, or which are mixed.

- Mono tracks of one programme (MXF, MOV: one for each channel) are mixed.
- Else the default track is taken, as players do.
- A track that is silent or cannot be decoded is passed over.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from embed.audio.ffmpeg.frames import Frames
from embed.audio.ffmpeg.protection import encryption, is_encrypted, protected
from embed.errors import InputError, UnsupportedFormat

_PLACES = 48  # where a track is tried, spread over the recording; of a shorter one, all of it
_STEP = 53  # from one of them to the next: a prime over 48, so that each has its turn
_TRIED_S = 1.0
_TRIED_PACKETS = 500  # of tracks without timestamps
_SILENT = 1e-4  # peak, -80 dB: dither, and what lossy codecs make of zeros, are below
_MONO_FORMATS = ("mov", "mxf")
_SPECIAL = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.descriptions


def readable_tracks(container: Any, url: str, wanted: Sequence[int] | None = None) -> list[int]:
    """Positions of the tracks with a decoder; of `wanted`, all.  Raises UnsupportedFormat, InputError for no track."""
    sound = container.streams.audio
    refuse_missing(url, wanted, len(sound))
    among = list(wanted or range(len(sound)))
    schemes = {at: encryption(container, sound[at]) for at in among}
    found = [at for at in among if getattr(sound[at], "rate", None) and not schemes[at]]
    if found and (not wanted or found == among):
        return found
    scheme = next(filter(None, schemes.values()), None)
    if scheme:
        raise protected(url, scheme)
    which = f" in track {wanted[0]}" if wanted else ""
    raise UnsupportedFormat(f"{url}: {container.format.name} without a readable audio stream{which}")


def refuse_missing(url: str, tracks: Sequence[int] | None, num: int) -> None:
    """Raises InputError where one of the tracks does not exist."""
    if tracks and max(tracks) >= num:
        have = "one sound track" if num == 1 else f"{num} sound tracks"
        raise InputError(
            f"{url}: there is no track {max(tracks)}: the recording has {have}, counted from 0; correct `track`"
        )


def chosen(container: Any, readable: Sequence[int]) -> list[int]:
    """Positions of the tracks to decode, among the sound tracks; `readable` are those that have a decoder, not empty.

    Reads from the container: its position is another one afterwards.
    """
    groups = _preferred(container, readable)
    if len(readable) == 1:
        return groups[0]
    audible: set[int] = set()
    for found in _tried(container, readable):
        audible |= found
        if audible.issuperset(groups[0]):
            break
    kept = ([track for track in group if track in audible] for group in groups)
    return next(filter(None, kept), groups[0])


def _preferred(container: Any, readable: Sequence[int]) -> list[list[int]]:
    """Groups of tracks, the best first."""
    streams = container.streams.audio
    alike = len({_kind(streams[at]) for at in readable}) == 1
    if container.format.name.startswith(_MONO_FORMATS) and alike and streams[readable[0]].channels == 1:
        return [list(readable)]
    return [[at] for at in sorted(readable, key=lambda at: (*_rank(streams[at]), at))]


def _kind(stream: Any) -> tuple[Any, ...]:
    """Equal for the channels of one programme; of uncompressed ones writers often enable the first alone."""
    enabled = None if stream.name.startswith("pcm") else stream.disposition
    return stream.channels, stream.rate, stream.name, stream.language, enabled


def _rank(stream: Any) -> tuple[bool, bool]:
    return not stream.disposition & Disposition.default, bool(stream.disposition & _SPECIAL)


def _tried(container: Any, readable: Sequence[int]) -> Iterator[set[int]]:
    """For each place of the recording, the tracks that are audible there."""
    begin, length = container.start_time or 0, container.duration or _PLACES * av.time_base
    num = min(_PLACES, math.ceil(length / (_TRIED_S * av.time_base)))
    for number in range(num):
        place = begin + number * _STEP % num * length // num
        if number:
            try:
                container.seek(place)
            except av.FFmpegError:
                continue
        yield _audible(container, readable, place / av.time_base + _TRIED_S)


def _audible(container: Any, readable: Sequence[int], until_s: float) -> set[int]:
    """The tracks with a sample that is not silent, from here on and before `until_s`."""
    tracks = {container.streams.audio[at].index: (at, Frames(container.streams.audio[at].rate)) for at in readable}
    found: set[int] = set()
    try:
        for number, packet in enumerate(container.demux([container.streams.audio[at] for at in readable])):
            late = packet.pts is not None and float(packet.pts * packet.time_base) > until_s
            if late or number > _TRIED_PACKETS * len(readable) or len(found) == len(readable):
                break
            at, frames = tracks[packet.stream.index]
            if at not in found and _is_audible(packet, frames):
                found.add(at)
    except av.FFmpegError:
        pass  # what was read counts
    return found


def _is_audible(packet: Any, frames: Frames) -> bool:
    if is_encrypted(packet):
        return False
    try:
        decoded = packet.decode()
    except av.FFmpegError:
        return False
    return any(np.abs(samples).max(initial=0) > _SILENT for frame in decoded for samples in frames(frame))
