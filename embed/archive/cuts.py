"""Cuts of lhotse (cuts.jsonl, also packed by gzip): each supervision of a cut becomes a line of an utterance list.

    {"id": "c1", "start": 3.5, "duration": 9.0, "type": "MonoCut",
     "recording": {"sources": [{"type": "file", "source": "a.wav"}], ...},
     "supervisions": [{"start": 0.5, "duration": 2.0, "text": "...", "language": "fr", "speaker": "A", ...}]}

A cut without supervisions is one line.  In a shar, the sound of cuts.000001.jsonl.gz is in recording.000001.tar, each
member named by the id of its cut.  All channels of a recording are mixed, whichever of them a cut names.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from embed.text.documents import plain_fields

_TYPES = ("MonoCut", "MultiCut", "MixedCut", "PaddingCut")
_OWN = ("start", "duration", "channel", "recording_id", "text", "language", "type", "offset", "lang")
_LEAST_S = 0.001


class Stretch(NamedTuple):
    """A line: path of the recording, fields as in an utterance list, and the tar of a shar."""

    path: str
    fields: dict[str, Any]
    tar: str | None


def is_cut(record: Mapping[str, Any]) -> bool:
    return record.get("type") in _TYPES


def stretches(cut: Mapping[str, Any], list_name: str) -> Iterator[Stretch]:
    """The supervisions of a cut, or the whole cut.  Raises ValueError with the reason."""
    path, tar = _source(cut, list_name)
    start, length = _seconds(cut, "start"), _seconds(cut, "duration")
    for one in cut.get("supervisions") or [{"id": cut.get("id"), "start": 0, "duration": length}]:
        if not isinstance(one, dict):
            raise ValueError("a supervision is no object")
        first, last = _seconds(one, "start"), _seconds(one, "start") + _seconds(one, "duration")
        low, high = max(first, 0.0), min(last, length)
        if high - low < _LEAST_S:
            raise ValueError(f"supervision {one.get('id')!r}, {first:g} to {last:g} s, is outside of its cut")
        span = {"offset": start + low, "duration": high - low, "text": one.get("text"), "lang": one.get("language")}
        yield Stretch(path, {**_custom(cut), **plain_fields(one, _OWN), **_custom(one), **span}, tar)


def _source(cut: Mapping[str, Any], list_name: str) -> tuple[str, str | None]:
    """The path of the recording; and the tar that has it, where it is in one."""
    recording = cut.get("recording")
    if cut.get("type") not in ("MonoCut", "MultiCut") or not isinstance(recording, dict):
        raise ValueError(f"a {cut.get('type')} without one recording is not read; save it with `cuts.save_audios`")
    if recording.get("transforms"):
        raise ValueError("its recording is changed by transforms; save it with `cuts.save_audios`")
    sources = recording.get("sources")
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], dict):
        raise ValueError("its recording is not one file; save it with `cuts.save_audios`")
    kind, place = sources[0].get("type"), sources[0].get("source")
    if kind == "shar":
        return str(cut.get("id")), f"recording.{list_name.partition('.')[2].partition('.')[0]}.tar"
    if kind not in ("file", "url") or not isinstance(place, str):
        raise ValueError(f"its sound is of type {kind!r}, not in a file; save it with `cuts.save_audios`")
    return place, None


def _custom(record: Mapping[str, Any]) -> dict[str, str]:
    custom = record.get("custom")
    return plain_fields(custom, _OWN) if isinstance(custom, dict) else {}


def _seconds(record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {repr(value)[:40]}; give it in seconds")
    return float(value)
