"""Protection of media: sound that is encrypted, of which a decoder would make noise."""

from typing import Any

from embed.errors import UnsupportedFormat

_BY_ENTRY = {"enca": "common encryption", "drms": "Apple FairPlay", "aavd": "Audible"}  # the sample entry of an MP4
_OF_ASF = {"encryption", "ASF_Protection_Type"}  # ffmpeg's names for the objects in a header of wma or wmv


def encryption(container: Any, track: Any) -> str | None:
    """The scheme that a sound track is encrypted with, where the header names it."""
    if "enc_key_id" in track.metadata:
        return "WebM encryption"
    if container.format.name.startswith("asf") and _OF_ASF & set(container.metadata):
        return "Windows Media"
    return _BY_ENTRY.get(_entry(track))


def is_encrypted(packet: Any) -> bool:
    """Whether a packet has common encryption, which the header need not name."""
    # `has_sidedata` takes thirty times as long.
    return any(side.data_type == "encryption_info" for side in packet.iter_sidedata())


def protected(url: str, scheme: str = "common encryption") -> UnsupportedFormat:
    """The error to raise for a recording whose sound is encrypted."""
    return UnsupportedFormat(f"{url}: protected: its sound is encrypted ({scheme}); embed a copy without protection")


def _entry(track: Any) -> str:
    try:
        return str(track.codec_tag)
    except (AttributeError, ValueError):  # no decoder, or not four letters
        return ""
