"""Reasons of failures: their messages without the names, places and numbers that differ from file to file."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from embed.archive.utterance_lists import MEMBER

Row = Mapping[str, Any]
LONG = 200

_URL = re.compile(r"(?:[a-z][a-z0-9+]*://|(?<![\w.~])[.~]{0,2}/)[^\s:;,'\"()]*[^\s:;,.'\"()]", re.ASCII)
_ID = re.compile(r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{12,}\b|\b0x[0-9a-f]+\b", re.IGNORECASE)
# 12, 3.5, 1,000, 6e-05, 00:12:30, 10-20, 10ms; not where it is a part of a name: utf-8, pcm16, 3gp, mp4a.40.2, H.264.
_NUMBER = re.compile(r"(?<![\w-])(?<!\w\.)\d+(?:[.,:-]\d+)*(?:e[-+]?\d+)?(?=(?:[mk]?s|x)?(?!\w))", re.IGNORECASE)


def by_reason(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One entry for each stage, error class and kind of message, the most frequent first, with its first row."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["stage"], row["error_class"], kind_of(row))
        about = dict(zip(("stage", "error_class", "message"), key, strict=True))
        entry = found.setdefault(key, {**about, "count": 0, "lost_s": 0.0, "example": row})
        entry["count"] += 1
        entry["lost_s"] = round(entry["lost_s"] + row["lost_s"], 3)
    return sorted(found.values(), key=lambda entry: (-entry["count"], entry["stage"], entry["message"]))


def kind_of(row: Row) -> str:
    """The message with `FILE`, `ID` and `N` in place of what differs between files."""
    message = _URL.sub("FILE", without_file(row))
    return _NUMBER.sub("N", _ID.sub("ID", message))


def short_uri(uri: str) -> str:
    """The uri for a table: of one with thousands of letters the beginning and the end."""
    return uri if len(uri) <= LONG else f"{uri[: LONG // 2]} ... {uri[-LONG // 2 :]}"


def without_file(row: Row) -> str:
    """The message on one line, without the name of its own file in front."""
    message = " ".join(row["message"].split())
    # The part of a uri after the input's name also ends the file's url, with its blanks; so does a member's name.
    for part in (row["uri"].partition("/")[2], row["uri"].partition(MEMBER)[2]):
        path = " ".join(part.split())
        place = message.find(f"{path}: ") if path else -1
        if place >= 0:
            return message[place + len(path) + 2 :]
    own, colon, rest = message.partition(": ")
    return rest if colon and _URL.fullmatch(own) else message
