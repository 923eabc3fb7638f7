"""Chapters of an item: in the feed itself (Podlove Simple Chapters), or in a JSON file that it names."""

import json
from collections.abc import Iterable
from typing import Any

from embed.archive.feeds.items import seconds_of
from embed.errors import InputError
from embed.storage import store

Chapters = list[tuple[float, str]]  # start in seconds, title

_PODLOVE = "{http://podlove.org/simple-chapters}"
_MOST_BYTES = 1 << 20


def inline_chapters(item: Any) -> Chapters:
    """Of an item of a feed; [] where it has none."""
    found = item.iterfind(f"{_PODLOVE}chapters/{_PODLOVE}chapter")
    return list(_readable((one.get("start", ""), one.get("title", "")) for one in found))


def linked_chapters(url: str) -> Chapters:
    """Of a file of `podcast:chapters`.  Raises InputError where it is not one, UnreadableFile where it is closed."""
    with store.open_input(url) as stream:
        data = stream.read(_MOST_BYTES + 1)
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError("too long")
        found = json.loads(data)["chapters"]
        return list(_readable((str(one["startTime"]), str(one.get("title") or "")) for one in found))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{url}: no chapters in JSON; correct the file") from None


def chapters_text(chapters: Chapters) -> str:
    """The JSON text of starts in seconds and titles, as in an asset's metadata; empty where there are none."""
    found = [{"start": start, "title": title} for start, title in sorted(chapters)]
    return json.dumps(found, ensure_ascii=False) if found else ""


def _readable(chapters: Iterable[tuple[str, str]]) -> Iterable[tuple[float, str]]:
    for start, title in chapters:
        clear = " ".join(title.split())
        seconds = 0.0 if set(start) <= set("0:.") and start else seconds_of(start)
        if clear and seconds is not None:
            yield round(seconds, 3), clear
