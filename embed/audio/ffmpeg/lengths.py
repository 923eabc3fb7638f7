"""Length of sound in a container: where its film begins, and where the sound ends by the header."""

import re
from collections.abc import Sequence
from typing import Any

import av
from av.stream import Disposition

# ffmpeg guesses the duration of these from their size and their first bitrate: packets are counted instead.
_GUESSED = ("aac", "ac3", "amr", "dts", "eac3", "loas", "mlp", "truehd")
_MEASURED = ("avi", "mpeg", "mpegts")  # by what is in the file: of these no header states more
_WHOLE = ("asf",)  # ffmpeg gives each track the duration of the whole
_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")  # of Matroska, for each track


def film_begin(container: Any, tracks: Sequence[Any]) -> float:
    """Where the film begins, on the clock of its timestamps; of a container with nothing else, where the sound does."""
    starts = [float(track.start_time * track.time_base) for track in tracks if track.start_time is not None]
    own_s = min(starts, default=0.0)
    if container.start_time is None or is_alone(container, tracks):
        return own_s
    whole_s = float(container.start_time / av.time_base)
    return own_s if abs(own_s - whole_s) * av.time_base < 2 else whole_s  # the container's is rounded


def stated_end(container: Any, tracks: Sequence[Any], origin_s: float) -> tuple[float | None, bool]:
    """Seconds from `origin_s` to the end of the tracks, None where it is unknown; and whether it is only an estimate.

    The length of a container is an estimate of that of its sound: the picture may last longer.
    """
    form = container.format.name
    if form.startswith(_GUESSED):
        return None, True
    ends = [_own_end(container, track, origin_s) for track in tracks]
    own = [end for end in ends if end is not None]
    if len(own) == len(ends):
        return max(own), form in _MEASURED
    if not container.duration:
        return None, True
    # Matroska counts from zero, also where it begins later.
    late_s = max(origin_s, 0.0) if form.startswith("matroska") else 0.0
    return float(container.duration / av.time_base) - late_s, form in _MEASURED or not is_alone(container, tracks)


def is_alone(container: Any, tracks: Sequence[Any]) -> bool:
    """Whether the container has nothing but these tracks, besides the picture of a cover."""
    chosen = {track.index for track in tracks}
    return not any(other.index not in chosen and not _is_cover(other) for other in container.streams)


def _own_end(container: Any, track: Any, origin_s: float) -> float | None:
    tag = _TAG.fullmatch(track.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - max(origin_s, 0.0)
    if not track.duration or container.format.name in _WHOLE:
        return None
    start_s = origin_s if track.start_time is None else float(track.start_time * track.time_base)
    return start_s - origin_s + float(track.duration * track.time_base)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)
