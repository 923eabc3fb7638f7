"""Benchmarks that are three tables on the hub, queries, corpus and qrels, as Kallaama's retrieval sets are.

    queries/train-00000-of-00001.parquet    _id | audio: {bytes, path} | text
    corpus/train-00000-of-00001.parquet     _id | text
    qrels/train-00000-of-00001.parquet      query-id | corpus-id | score

A row without `lang` has the language that the task names for its side.  One set of qrels is that of both dev and test.
"""

from pathlib import Path
from typing import Any

from embed.errors import InputError
from train.curate.benchmarks.folder import write
from train.curate.benchmarks.hub import in_parts, path_words, table_rows, text_of
from train.curate.benchmarks.lines import Lines, Row
from train.curate.split import Part

QUERIES, CORPUS, QRELS = "queries", "corpus", "qrels"
OPTIONAL = ("text", "title", "lang", "language")


def tables(name: str, data: str, cache: Path, query_lang: str, document_lang: str) -> Path:
    """The folder of a benchmark whose tables are in the folder `data`.  Raises InputError that names the file."""
    files: dict[str, list[tuple[str, Part]]] = {QUERIES: [], CORPUS: [], QRELS: []}
    for url, part in in_parts(data):
        kind = next((one for one in reversed(path_words(url)) if one in files), None)
        if kind is not None:
            files[kind].append((url, part))
    if missing := [kind for kind, found in files.items() if not found]:
        raise InputError(f"{data}: no Parquet files of {missing[0]}; {name} has {QUERIES}, {CORPUS} and {QRELS}")
    lines = Lines(())
    for kind, rows, lang in ((QUERIES, lines.queries, query_lang), (CORPUS, lines.corpus, document_lang)):
        for url, _ in files[kind]:
            for number, row in enumerate(table_rows(url, ["_id"], OPTIONAL)):
                id = text_of(row, "_id")
                if id in rows:
                    raise InputError(
                        f"{url}, row {number}: the _id {id!r} is that of an earlier row; give each its own"
                    )
                rows[id] = _line(id, row, lang)
    has_parts = any(part != "train" for _, part in files[QRELS])
    for url, part in files[QRELS]:
        for row in table_rows(url, ["query-id", "corpus-id"], ["score"]):
            grade = row.get("score")
            for one in (part,) if has_parts else ("dev", "test"):
                documents = [text_of(row, "corpus-id")]
                lines.judge(one, text_of(row, "query-id"), documents, 1 if grade is None else int(grade))
    card = f"# {name}\n\nOf the tables in {data}; their card has the licence.  The recordings stay in these files.\n"
    return write(lines, name, card, cache)


def _line(id: str, row: dict[str, Any], lang: str) -> Row:
    found: Row = {"_id": id, "lang": text_of(row, "lang") or text_of(row, "language") or lang}
    text = f"{text_of(row, 'title')} {text_of(row, 'text')}".strip()
    return found | ({"text": text} if text else {}) | ({"audio": row["#sound"]} if "#sound" in row else {})
