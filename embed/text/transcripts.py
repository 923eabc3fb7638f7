"""Transcripts of recordings: cues with their times, from the files that subtitling and speech recognition write.

- `.TextGrid` (Praat, MFA): the intervals of the tiers of words, else of the first tier with a text
- `.ctm`: one word a line
- `.vtt`, `.srt`: as `embed.text.subtitles`; lines that rolling captions repeat from the cue before are left out
- `.json`: a list of segments with times, as Whisper, whisper.cpp, transformers, podcasts and NeMo (also one object a
  line) write them; any other JSON is no transcript
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from embed.errors import InputError
from embed.file_kinds import unpacked_suffix
from embed.text.documents import is_blank, refuse_halves
from embed.text.gzipped import encoding_of, whole_text
from embed.text.subtitles import read_cues

_MOST_S = 1e9  # thirty years
_ROLLING_S = 0.1  # captions that roll follow each other without a pause
# The names of start and end, by who writes them: Whisper and transformers, podcasts, cloud services.
_TIMES = (("start", "end"), ("startTime", "endTime"), ("start_time", "end_time"))
_LISTS = ("segments", "chunks", "transcription")  # Whisper and podcasts, transformers, whisper.cpp
_TEXTS = ("text", "body", "word")
# Of a TextGrid only texts, flags and numbers that touch no other character count, in long and short files alike.
_GRID = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?!\S)')


class Cue(NamedTuple):
    """A text in its time; `words` where the words have times of their own, with the spaces between them."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple["Cue", ...] = ()


class Transcript(NamedTuple):
    """Cues in order of their times, and how many have times that cannot be, or a broken text; the first of these."""

    cues: tuple[Cue, ...]
    left_out: int = 0
    example: str = ""


class _Raw(NamedTuple):
    """A cue as it is written, in seconds."""

    start_s: Any
    end_s: Any
    text: str
    words: tuple["_Raw", ...] = ()


def read_transcript(url: str, encoding: str | None = None, kind: str = "") -> Transcript | None:
    """The cues of a file; None for JSON of another kind.  `encoding` is that of a file that is not UTF-8.

    `kind` is one of SUFFIXES, for a url that does not end in it.

    Raises InputError for a file that is missing, empty, damaged, too long or in another encoding.
    """
    encoding = encoding_of(url, encoding)
    suffix = kind or unpacked_suffix(url)
    if suffix in (".srt", ".vtt"):
        return _checked(_subtitles(url, encoding, suffix))
    text = whole_text(url, encoding)
    found = _READERS[suffix](url, text)
    return None if found is None else _checked(found)


def _subtitles(url: str, encoding: str | None, kind: str) -> Iterator[_Raw]:
    end_s, before = -1.0, [""]
    for cue in read_cues(url, encoding, kind):
        start_s, lines = float(cue.metadata["start"]), [line for line in cue.text.splitlines() if not is_blank(line)]
        rolls = start_s - end_s <= _ROLLING_S and lines[0] == before[-1]
        end_s, before = float(cue.metadata["end"]), lines
        if kept := lines[1:] if rolls and (len(lines) > 1 or end_s - start_s <= _ROLLING_S) else lines:
            yield _Raw(start_s, end_s, " ".join(kept))


def _text_grid(url: str, text: str) -> Iterator[_Raw]:
    tiers = _tiers(url, text)
    words = [cues for name, cues in tiers if "word" in name.lower()]
    others = [
        cues for name, cues in tiers if "phone" not in name.lower() and any(not is_blank(cue.text) for cue in cues)
    ]
    yield from (cue for cues in words or others[:1] for cue in cues)


def _tiers(url: str, text: str) -> list[tuple[str, list[_Raw]]]:
    """Names and intervals of the tiers with intervals."""
    tokens = ((found[2] is not None, found[2] or found[1].replace('""', '"')) for found in _GRID.finditer(text))

    def value(is_number: bool) -> str:
        kind, found = next(tokens)
        if kind != is_number:
            raise ValueError(f"{found[:40]!r} is not expected")
        return found

    tiers = []
    try:
        if (value(False), value(False)) != ("ooTextFile", "TextGrid"):
            raise ValueError("it begins otherwise")
        num = [value(True) for _ in range(3)][2]
        for _ in range(int(num)):
            kind, name = value(False), value(False)
            size = [value(True) for _ in range(3)][2]
            if kind == "IntervalTier":
                cues = [_Raw(float(value(True)), float(value(True)), value(False)) for _ in range(int(size))]
                tiers.append((name, cues))
            else:
                for _ in range(int(size)):
                    value(True), value(False)
    except (StopIteration, ValueError) as error:
        raise InputError(f"{url}: not a complete TextGrid: {str(error) or 'its end is missing'}") from None
    return tiers


def _ctm(url: str, text: str) -> Iterator[_Raw]:
    for line in text.splitlines():
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if len(fields) < 5:
            raise InputError(f"{url}: not CTM: {line[:40]!r} has no file, channel, start, duration and word")
        start_s, length_s = _seconds(fields[2]), _seconds(fields[3])
        yield _Raw(start_s, start_s + length_s, fields[4])


def _json(url: str, text: str) -> Iterable[_Raw] | None:
    try:
        try:
            data = json.loads(text)
        except json.JSONDecodeError:
            data = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{url}: not readable as JSON: {' '.join(str(error).split())}") from None
    named = (
        next((data[name] for name in _LISTS if isinstance(data.get(name), list)), None) if _is_record(data) else None
    )
    records = named if named is not None else data if isinstance(data, list) else [data]
    found = [raw for one in records if _is_record(one) and (raw := _segment(one)) is not None]
    return found if found or named == [] else None


def _segment(record: dict[str, Any]) -> _Raw | None:
    """A record with a text and times; None for any other."""
    times, text = _times(record), next((record[name] for name in _TEXTS if isinstance(record.get(name), str)), None)
    if times is None or text is None:
        return None
    listed = record.get("words")
    words = [_segment(one) if _is_record(one) else None for one in listed] if isinstance(listed, list) else []
    known = [one for one in words if one is not None]
    if len(known) < len(words):
        return _Raw(*times, text)
    # Whisper's words have the spaces between them, and none in languages without; those of others are bare.
    is_spaced = "".join(one.text for one in known).split() == text.split()
    return _Raw(*times, text, tuple(known if is_spaced else [one._replace(text=f" {one.text}") for one in known]))


def _times(record: dict[str, Any]) -> tuple[Any, Any] | None:
    stamp, places = record.get("timestamp"), record.get("offsets")
    if isinstance(stamp, list) and len(stamp) == 2:
        return stamp[0], stamp[0] if stamp[1] is None else stamp[1]  # null: the end was not recognised
    if isinstance(places, dict) and "from" in places and "to" in places:
        return _seconds(places["from"]) / 1000, _seconds(places["to"]) / 1000
    for start, end in _TIMES:
        if start in record and end in record:
            return record[start], record[end]
    if "duration" in record and ("offset" in record or "audio_filepath" in record):
        start_s = _seconds(record.get("offset") or 0)
        return start_s, start_s + _seconds(record["duration"])
    return None


def _checked(found: Iterable[_Raw]) -> Transcript:
    cues, wrong = list[Cue](), list[_Raw]()
    for raw in found:
        if is_blank(raw.text):
            continue
        if (cue := _cue(raw)) is None:
            wrong.append(raw)
            continue
        words = [word for one in raw.words if (word := _cue(one))]
        cues.append(cue._replace(words=tuple(words) if len(words) == len(raw.words) else ()))
    example = f"{wrong[0].text[:40]!a} from {wrong[0].start_s} to {wrong[0].end_s} s" if wrong else ""
    return Transcript(tuple(sorted(cues, key=lambda cue: cue.start_ms)), len(wrong), example)


def _cue(raw: _Raw) -> Cue | None:
    """None where its times cannot be, or its text is no text."""
    start_s, end_s = _seconds(raw.start_s), _seconds(raw.end_s)
    try:
        refuse_halves(raw.text)
    except ValueError:
        return None
    if not 0 <= start_s <= end_s <= _MOST_S:
        return None
    start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
    return Cue(start_ms, max(end_ms, start_ms + 1), raw.text)  # a point in time is a millisecond


def _seconds(value: Any) -> float:
    """Not a number where it is none."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _is_record(value: Any) -> bool:
    return isinstance(value, dict)


_READERS: dict[str, Callable[[str, str], Iterable[_Raw] | None]] = {
    ".textgrid": _text_grid,
    ".ctm": _ctm,
    ".json": _json,
}
SUFFIXES = (".textgrid", ".ctm", ".vtt", ".srt", ".json")  # the first one of a recording is read
