"""Lists of utterances, in the format of speech recognition: one JSON object a line, each a span of a recording.

    {"audio_filepath": "clips/a.wav", "offset": 3.5, "duration": 2.0, "text": "...", "lang": "wo", ...}

Paths are relative to the list.  Every line is an asset, `<name>/<path>#t=<start>,<end>` in seconds (a media
fragment), and is embedded as it is listed: as one segment, or as windows where it is longer than `max_s`.  A line may
name a feed in place of a recording, {"feed_url": "https://...", "lang": "wo", ...}: all its items are assets.

The cuts of lhotse become such lines (`embed.archive.cuts`).  Where no file has a path, a member of a tar next to the
list may have it (`embed.archive.tars`), as in NeMo's tarred data sets and in lhotse's shar.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar

from embed.archive.cuts import is_cut, stretches
from embed.audio.table_sounds import ROW
from embed.errors import OF_ONE_FILE, SpecError
from embed.storage.store import absolute, has_folders, linked, local_path
from embed.text.documents import Broken, plain_fields, refuse_halves
from embed.text.jsonl import first_records, records

PATH, FEED = "audio_filepath", "feed_url"
_OWN = (PATH, "offset", "duration", "text", "lang", "language")
MEMBER = "#member="  # of a tar, in its uri
_MARK = "#t="
_MOST_S = 1e9  # thirty years

Line = TypeVar("Line")


@dataclass(frozen=True)
class Utterance:
    url: str  # of the recording
    start_ms: int
    end_ms: int
    text: str | None
    lang: str | None
    metadata: dict[str, str] = field(default_factory=dict)
    tars: str = "*.tar"  # next to the list: a glob of those that may have the recording as a member

    def fragment(self) -> str:
        """The part of the uri after that of the recording."""
        return f"{_MARK}{_seconds(self.start_ms)},{_seconds(self.end_ms)}"


@dataclass(frozen=True)
class FeedLine:
    url: str
    lang: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def is_audio_list(url: str, version: str, encoding: str | None = None) -> bool:
    """Whether the first line of a .jsonl file names a recording or a feed, or is a cut of a recording."""
    firsts = first_records(url, version, encoding)[:1]
    return any(PATH in record or is_cut(record) or _is_feed(record) for record in firsts)


def read_audio_list(
    url: str, version: str, encoding: str | None = None
) -> Iterator[tuple[int, Utterance | FeedLine | Broken]]:
    """Utterances and feeds with the numbers of their lines, from 1; blank lines are left out."""
    folder, _, name = url.rpartition("/")
    for number, found in whole(records(url, version, encoding)):
        if isinstance(found, Broken):
            yield number, found
            continue
        try:
            if _is_feed(found):
                yield number, _feed(folder, found)
                continue
            for one in _utterances(folder, name, found):
                yield number, one
        except ValueError as error:
            yield number, Broken(str(error), number, number + 1)


def whole(lines: Iterator[tuple[int, Line | Broken]]) -> Iterator[tuple[int, Line | Broken]]:
    """Lines with their numbers; where the file cannot be read further, the last one is broken, with the reason."""
    number = 0
    try:
        for number, line in lines:
            yield number, line
    except OF_ONE_FILE as error:
        yield number + 1, Broken(str(error), number, number + 1)


def broken_lines(url: str, version: str, encoding: str | None = None) -> Iterator[Broken]:
    """The broken lines of a list; their places are numbers of lines, from 0."""
    for number, found in read_audio_list(url, version, encoding):
        if isinstance(found, Broken):
            yield replace(found, reason=f"line {number}: {found.reason}", start=number - 1, end=number)


def span_of(uri: str) -> tuple[int, int]:
    """Start and end in milliseconds of the recording, from the uri of an utterance."""
    start, _, end = uri.rpartition(_MARK)[2].partition("&")[0].partition(",")
    return round(float(start) * 1000), round(float(end) * 1000)


def recordings_of(uri: str) -> Iterator[str]:
    """The uris of the recording that an utterance is in, and of the file that a row or a member is in."""
    for mark in (_MARK, ROW, MEMBER):
        file, found, _ = uri.rpartition(mark)
        if found:
            uri = file
            yield uri


def resolved(folder: str, path: str) -> str:
    """Url of a path in a list, relative to the list's folder.  ValueError for an address that no file can have."""
    path = path.removeprefix("file://")
    if not (has_folders(folder) and has_folders(path)):
        return linked(f"{folder}/", path)
    if local_path(path) is None:
        if not _checked(path).partition("://")[2].partition("/")[2].strip("/"):
            raise ValueError(f"{path}: it names a bucket and no object; write it as {path.rstrip('/')}/path")
        return path
    if local_path(folder) is not None:
        return _checked(os.path.normpath(os.path.join(folder, path)))
    scheme, _, place = folder.partition("://")
    return _checked(f"{scheme}://{_without_dots(f'{place}/{path.lstrip(chr(47))}')}")


def uri_below(name: str, root: str, url: str) -> str:
    """`<name>/<path below the root>`; of a url outside of the root, its whole path.

    Each slash of a key counts: `a//b` and `a/b` are two objects.
    """
    top = f"{root.rstrip('/')}/"
    path = url.removeprefix(top) if url.startswith(top) else (url.partition("://")[2] or url).lstrip("/")
    return f"{name}/{path}"


def _without_dots(path: str) -> str:
    """The path without `.` and `..`; empty names stay, since they are part of a key."""
    names: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name != ".":
            names.append(name)
    return "/".join(names)


def _checked(url: str) -> str:
    try:
        absolute(url)
    except SpecError as error:
        raise ValueError(str(error)) from None
    return url


def _utterances(folder: str, list_name: str, record: dict[str, Any]) -> list[Utterance]:
    """Those of a line."""
    if PATH in record or not is_cut(record):
        shard = record.get("shard_id")
        return [_utterance(folder, record, f"*_{shard}.tar" if isinstance(shard, int) else "*.tar")]
    return [
        _utterance(folder, one.fields | {PATH: one.path}, one.tar or "*.tar") for one in stretches(record, list_name)
    ]


def _utterance(folder: str, record: dict[str, Any], tars: str) -> Utterance:
    path = record.get(PATH)
    if not isinstance(path, str) or not path or not PurePosixPath(path).name:
        raise ValueError(f"no {PATH}")
    start_ms, length_ms = _ms(record, "offset", 0.0), _ms(record, "duration", None)
    if start_ms < 0 or length_ms <= 0:
        raise ValueError("offset must not be negative and duration must be over 0; both are in seconds")
    text, lang = record.get("text"), record.get("lang") or record.get("language")
    found = Utterance(
        url=resolved(folder, path),
        start_ms=start_ms,
        end_ms=start_ms + length_ms,
        text=text if isinstance(text, str) and text.strip() else None,
        lang=lang if isinstance(lang, str) else None,
        metadata=plain_fields(record, _OWN),
        tars=tars,
    )
    refuse_halves(found.text or "", found.lang or "", *found.metadata, *found.metadata.values())
    return found


def _is_feed(record: dict[str, Any]) -> bool:
    return FEED in record and PATH not in record and "text" not in record


def _feed(folder: str, record: dict[str, Any]) -> FeedLine:
    url, lang = record[FEED], record.get("lang") or record.get("language")
    if not isinstance(url, str) or not url:
        raise ValueError(f"no {FEED}")
    found = FeedLine(resolved(folder, url), lang if isinstance(lang, str) else None)
    about = plain_fields(record, (FEED, "lang", "language"))
    refuse_halves(found.lang or "", *about, *about.values())
    return replace(found, metadata=about)


def _ms(record: dict[str, Any], name: str, absent: float | None) -> int:
    value = record.get(name)
    value = absent if value is None else value
    if value is None:
        raise ValueError(f"no {name}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_MOST_S <= value <= _MOST_S:
        raise ValueError(f"{name} is {repr(value)[:40]}; give it in seconds")
    return round(value * 1000)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".")
