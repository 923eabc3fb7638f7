"""Benchmark of BEIR's shape with audio: `corpus.jsonl`, `queries.jsonl` and `qrels/PART.tsv` in one folder.

    {"_id": "q7", "text": "of the words, or of the recording", "audio": "q7.flac", "end_s": 4.5, "lang": "wo"}

`text` or `audio` may be absent, `start_s` too; a `title` of BEIR precedes the text.  Audio is relative to the
folder, or a url.  A document with a `part` is a candidate in that part alone.
"""

import math
from collections.abc import Mapping
from typing import Any

from embed.archive.utterance_lists import resolved
from embed.errors import InputError
from embed.storage import store
from embed.text.documents import Broken
from embed.text.jsonl import records
from evaluate.benchmarks.benchmark import Benchmark, Entry, by_id
from evaluate.results import Qrels
from evaluate.runs.files import line_of, read_qrels

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"


def read_beir(url: str) -> Benchmark:
    """The benchmark in a folder.  Raises InputError that names file and line."""
    url = store.absolute(url)
    found = [by_id(_entries(url, name)) for name in (QUERIES, CORPUS)]
    name = url.rstrip("/").rpartition("/")[2]

    def qrels(part: str) -> Qrels:
        file = store.join(url, QRELS, f"{part}.tsv")
        if not store.exists(file):
            parts = [one.url.rpartition("/")[2].removesuffix(".tsv") for one in _parts(url)]
            raise InputError(f"{file}: missing; parts here: {', '.join(parts) or 'none'}; set the task's `part`")
        return _known(read_qrels(file), file, *({one.id for one in side} for side in found))

    return Benchmark(name, found[0], found[1], qrels)


def _known(qrels: Qrels, file: str, queries: set[str], documents: set[str]) -> Qrels:
    """The qrels; InputError that names the line of the first id that is in no other file."""
    for query, grades in qrels.items():
        unknown = next((one for one in grades if one not in documents), None)
        if query not in queries:
            what, lacks = f"query {query!r}", QUERIES
        elif unknown is not None:
            what, lacks = f"document {unknown!r} of query {query!r}", CORPUS
        else:
            continue
        line = line_of(file, query, unknown if query in queries else None)
        raise InputError(f"{file}, line {line}: {what} is not in {lacks}; correct the id, or remove this line")
    return qrels


def _parts(url: str) -> list[Any]:
    return sorted(store.listing(store.join(url, QRELS), ".tsv"), key=lambda one: one.url)


def _entries(folder: str, name: str) -> list[Entry]:
    url = store.join(folder, name)
    if not store.exists(url):
        raise InputError(f"{url}: missing; a benchmark has {QUERIES}, {CORPUS} and {QRELS}/test.tsv")
    found = []
    for number, row in records(url, ""):
        place = f"{url}, line {number}"
        if isinstance(row, Broken):
            raise InputError(f"{place}: {row.reason}; correct or remove this line")
        try:
            found.append(_entry(folder, row, place))
        except ValueError as error:
            raise InputError(f"{place}: {error}") from None
    return found


def _entry(folder: str, row: Mapping[str, Any], place: str) -> Entry:
    """Raises ValueError that says how to correct the line."""
    id, text, audio = (_text(row, name) for name in ("_id", "text", "audio"))
    if not id or id.split() != [id]:
        raise ValueError(f"_id is {row.get('_id')!r}; give a name without blanks")
    if title := _text(row, "title"):
        text = f"{title} {text}".strip()
    if not text and not audio:
        raise ValueError("neither text nor audio; give one of them")
    start_s, end_s = _seconds(row, "start_s") or 0.0, _seconds(row, "end_s")
    if end_s is not None and end_s <= start_s:
        raise ValueError(f"end_s {end_s:g} is not after start_s {start_s:g}")
    audio = resolved(folder, audio) if audio else ""
    return Entry(id, text, audio, start_s, end_s, _text(row, "lang"), _text(row, "part"), place)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; give a text")
    return str(value).strip()


def _seconds(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is {value!r}; give seconds, 0 or more")
    return float(value)
