"""Restarts on the way: raw aac and transport streams that were joined, whose times or rates begin anew.

ffmpeg reads these through, but no time can be looked up in them.
"""

from typing import Any

import av

READ_THROUGH = ("aac", "mpegts")
_PLACES = 16  # of the file, that are compared: a link that is shorter than a sixteenth may be missed


def restarts(container: Any, track: Any, size_bytes: int) -> bool:
    """Whether timestamps go back, or rate or channels change, between places of a file that is read through.

    Reads from the container: its position is another one afterwards.
    """
    latest, kinds = float("-inf"), set()
    for number in range(_PLACES):
        try:
            container.seek(number * size_bytes // _PLACES, unsupported_byte_offset=True)
            found = _first_frame(container, track)
        except av.FFmpegError:
            continue
        if found is None:
            continue
        at_s, kind = found
        kinds.add(kind)
        if at_s < latest or len(kinds) > 1:
            return True
        latest = at_s if container.format.name == "mpegts" else latest  # of aac, bytes have no times
    return False


def _first_frame(container: Any, track: Any) -> tuple[float, tuple[int, str]] | None:
    """Time of the next packet that can be decoded; its rate and channels."""
    for packet in container.demux(track):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        if frames and packet.pts is not None:
            return float(packet.pts * packet.time_base), (frames[0].sample_rate, frames[0].layout.name)
    return None
