"""Manifest: the user's own list of recordings with texts, one per row, in .jsonl (as NeMo's), .csv, .tsv or .parquet.

    {"audio_filepath": "a.wav", "offset": 3.5, "duration": 2, "text": ".", "lang": "wo", "translations": {"fr": "."}}

`offset`, `duration`, `key`, `part` and translations are optional; in tables translations are columns `translation_fr`
and so on.  Paths are relative to the list.  Manifests of texts alone are read by `train.curate.text_pairs`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from embed.archive.utterance_lists import PATH, resolved
from embed.errors import InputError
from embed.file_kinds import is_json_lines, unpacked_suffix
from embed.storage import store
from embed.text.csv_rows import CsvRows
from embed.text.documents import Broken
from embed.text.jsonl import records
from embed.text.parquet_rows import ParquetRows
from train.curate.clip import Clip, words
from train.curate.sources.table import list_name
from train.curate.split import PARTS, Part

LICENCE = "of its owner"
TRANSLATIONS, TRANSLATION = "translations", "translation_"
FORMATS = ".jsonl, .csv, .tsv or .parquet"
EXAMPLE = '{"audio_filepath": "a.wav", "text": "...", "lang": "wo"}'


def clips(url: str, langs: Sequence[str] = ()) -> list[tuple[Clip, Part | None]]:
    """Clips in the languages (all where `langs` is empty), each with the part that its row names.

    Raises InputError with the list's name, the row and how to correct it.
    """
    url = store.absolute(url)
    source, folder = list_name(url), url.rpartition("/")[0]
    found = []
    for place, row in rows(url):
        try:
            clip = _clip(source, folder, row)
            part = part_in(row)
        except ValueError as error:
            raise InputError(f"{url}, {place}: {error}") from None
        if not langs or clip.lang in langs:
            found.append((clip, part))
    return found


def rows(url: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row that is not blank, with its place as text ("line 2").  Raises InputError at the first broken row."""
    if is_json_lines(url):
        for number, found in records(url, ""):
            place = f"line {number}"
            yield place, _whole(url, place, found)
        return
    if unpacked_suffix(url) not in (".csv", ".tsv", ".parquet"):
        raise InputError(f"{url}: unknown kind of manifest; its name must end in {FORMATS}")
    with closing(ParquetRows(url) if unpacked_suffix(url) == ".parquet" else CsvRows(url)) as table:
        for number, found in table.read(0, None):
            place = f"row {number + 1}"
            yield place, _whole(url, place, found)


def text_in(row: Mapping[str, Any], name: str) -> str:
    """A text without blanks at its ends; "" where there is none.  Raises ValueError where the value is no text."""
    value = row.get(name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; give a text")
    return str(value).strip()


def part_in(row: Mapping[str, Any]) -> Part | None:
    """The row's `part`; None where it is absent."""
    part = text_in(row, "part")
    if part and part not in PARTS:
        raise ValueError(f"part is {part!r}; give train, dev or test, or omit it to let the key decide")
    return part or None


def _whole(url: str, place: str, found: Mapping[str, Any] | Broken) -> Mapping[str, Any]:
    if isinstance(found, Broken):
        reason = found.reason.rpartition("): ")[2] if place.startswith("row") else found.reason
        raise InputError(f"{url}, {place}: {reason}; correct or remove this row")
    return found


def _clip(source: str, folder: str, row: Mapping[str, Any]) -> Clip:
    """Raises ValueError that says how to correct the row."""
    path, text, lang = (text_in(row, name) for name in (PATH, "text", "lang"))
    if not path:
        raise ValueError(f"{PATH} is missing; give the path of the recording, relative to the list's folder")
    if not lang:
        raise ValueError("lang is missing; give the language of the text, e.g. wo")
    if not words(text):
        raise ValueError("text is missing; give the transcript or, where there is none, a translation, in lang")
    offset_s, duration_s = _seconds(row, "offset") or 0.0, _seconds(row, "duration")
    if duration_s == 0:
        raise ValueError("duration is 0; give seconds, or omit it to read to the end")
    uri = resolved(folder, path)
    if not store.has_folders(uri):
        raise ValueError(f"{uri!r}: neither a local path nor s3://bucket/path; download it")
    # Rows of the same stretch are one prompt, whatever the language of their texts.
    key = text_in(row, "key") or f"{path}#{offset_s:g}"
    texts = {**_translations(row), lang: text}
    return Clip(source, f"{source}:{key}", lang, text, uri, texts, offset_s, duration_s, _size(uri))


def _translations(row: Mapping[str, Any]) -> dict[str, str]:
    given = row.get(TRANSLATIONS) or {}
    if not isinstance(given, Mapping):
        raise ValueError(f'{TRANSLATIONS} is {given!r}; give texts by language, e.g. {{"fr": "..."}}')
    columns = {name.removeprefix(TRANSLATION): name for name in row if name.startswith(TRANSLATION)}
    found = {lang: text_in(given, lang) for lang in given} | {lang: text_in(row, columns[lang]) for lang in columns}
    return {lang: text for lang, text in found.items() if words(text)}


def _seconds(row: Mapping[str, Any], name: str) -> float | None:
    text = row.get(name)
    if text is None or text == "":
        return None
    try:
        value = math.nan if isinstance(text, bool) else float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {text!r}; give seconds, 0 or more")
    return value


def _size(uri: str) -> int:
    path = store.local_path(uri)
    return path.stat().st_size if path is not None and path.is_file() else 0
