"""Manifest of requests: one per row, in .jsonl, .csv, .tsv or .parquet.

    {"text": "what time is it", "audio": "a.wav", "label": "time", "lang": "en", "template": "t7", "voice": "ann"}

`text` or `audio` may be absent; `template`, `voice` (or `speaker`), `part`, `offset` and `duration` are optional.
`audio` (or `audio_filepath`) is relative to the list's folder, or a url.
"""

import math
from collections.abc import Mapping
from typing import Any

from embed.archive.utterance_lists import PATH, resolved
from embed.errors import InputError
from embed.storage import store
from evaluate.intents.requests import Request
from train.curate.sources.manifest import part_in, rows, text_in


def read_requests(url: str) -> list[Request]:
    """The requests in their order.  Raises InputError with the list's name, the row and how to correct it."""
    url = store.absolute(url)
    if not store.exists(url):
        raise InputError(f"{url}: no such manifest of requests; correct `data`")
    folder, found = url.rpartition("/")[0], []
    for place, row in rows(url):
        try:
            found.append(_request(folder, row, f"{url}, {place}"))
        except ValueError as error:
            raise InputError(f"{url}, {place}: {error}") from None
    if not found:
        raise InputError(f"{url}: no rows; list requests with `text` or `audio`, `label` and `lang`")
    return found


def _request(folder: str, row: Mapping[str, Any], place: str) -> Request:
    """Raises ValueError that says how to correct the row."""
    text, label, lang = (text_in(row, name) for name in ("text", "label", "lang"))
    audio = text_in(row, "audio") or text_in(row, PATH)
    if not text and not audio:
        raise ValueError("neither text nor audio; give one of them")
    if not label:
        raise ValueError("label is missing; give the request's intent")
    if not lang:
        raise ValueError("lang is missing; give the language, e.g. wo")
    duration_s = _seconds(row, "duration")
    if duration_s == 0:
        raise ValueError("duration is 0; give seconds, or omit it to read to the end")
    return Request(
        label,
        lang,
        text,
        resolved(folder, audio) if audio else "",
        text_in(row, "template"),
        text_in(row, "voice") or text_in(row, "speaker"),
        part_in(row),
        _seconds(row, "offset") or 0.0,
        duration_s,
        place,
    )


def _seconds(row: Mapping[str, Any], name: str) -> float | None:
    given = row.get(name)
    if given is None or given == "":
        return None
    try:
        value = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {given!r}; give seconds, 0 or more")
    return value
