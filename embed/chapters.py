"""Chapters of a recording: in its metadata one JSON text, in a row the title of the chapter in which the row starts.

chapters: [{"start": 0.0, "title": "News"}, {"start": 312.5, "title": "Weather"}]     seconds; of the asset
chapter: Weather                                                                     of a row from 312.5 s on
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache

CHAPTERS, CHAPTER = "chapters", "chapter"

Pairs = list[tuple[str, str]]


def chapters_as_text(chapters: Iterable[tuple[float, str]]) -> str:
    """The JSON text of starts in seconds and titles; empty where there are none."""
    ordered = sorted((round(start_s, 3), title) for start_s, title in chapters)
    found = [{"start": start_s, "title": title} for start_s, title in ordered]
    return json.dumps(found, ensure_ascii=False) if found else ""


def of_row(metadata: Sequence[tuple[str, str]], start_s: float | None) -> Pairs:
    """The metadata of a row that starts at this second of the recording: its chapter in place of all of them.

    Unchanged where there are no chapters, or where a field of that name holds something else.
    """
    text = dict(metadata).get(CHAPTERS) if start_s is not None else None
    chapters = _parsed(text) if text else None
    if chapters is None or start_s is None:
        return list(metadata)
    starts, titles = chapters
    place = bisect_right(starts, start_s + 1e-6) - 1
    title = titles[place] if place >= 0 else ""
    rest = [pair for pair in metadata if pair[0] not in (CHAPTERS, CHAPTER)]
    return [*rest, (CHAPTER, title)] if title else rest


@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[tuple[float, ...], tuple[str, ...]] | None:
    try:
        found = [(float(one["start"]), str(one["title"])) for one in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        return None
    found.sort()
    return (tuple(start for start, _ in found), tuple(title for _, title in found)) if found else None
