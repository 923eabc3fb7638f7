"""Folder of a benchmark: questions, documents and right answers are collected, then written in BEIR's shape.

The folder is named by a digest of what is in it, so that readers find it complete, and another state of the data is
another folder.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from embed.identity import digest
from embed.storage.cache import make_folder
from train.curate.clip import Clip

FOLDER = "benchmarks"  # in the cache folder
CARD = "README.md"
Row = Mapping[str, object]


@dataclass(frozen=True)
class Collected:
    """Lines by id in the order in which they were added, and by part the right answers of each question."""

    queries: dict[str, Row] = field(default_factory=dict)
    corpus: dict[str, Row] = field(default_factory=dict)
    qrels: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)

    def judge(self, part: str, query: str, documents: Iterable[str]) -> None:
        """The documents answer the query, in this part."""
        self.qrels.setdefault(part, {}).setdefault(query, {}).update(dict.fromkeys(documents, 1))


def recording_row(id: str, clip: Clip, part: str = "") -> Row:
    """The line of a recording; with a part, it is a candidate in that part alone."""
    end_s = None if clip.duration_s is None else clip.offset_s + clip.duration_s
    found: dict[str, object] = {"_id": id, "audio": clip.uri, "start_s": clip.offset_s, "end_s": end_s}
    return found | {"text": clip.text, "lang": clip.lang} | ({"part": part} if part else {})


def text_row(id: str, lang: str, text: str) -> Row:
    """The line of a text."""
    return {"_id": id, "text": text, "lang": lang}


def write(collected: Collected, name: str, card: str, cache: Path) -> Path:
    """The folder with these lines in the cache folder; one that is there already is not written again."""
    files = {
        "queries.jsonl": _lines(collected.queries.values()),
        "corpus.jsonl": _lines(collected.corpus.values()),
        **{f"qrels/{part}.tsv": _qrels(found) for part, found in sorted(collected.qrels.items())},
        CARD: card,
    }

    def fill(folder: Path) -> None:
        (folder / "qrels").mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")

    return make_folder(cache / FOLDER / f"{name}-{digest(*files.items()).hex()[:12]}", fill)


def _lines(rows: Iterable[Row]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _qrels(found: Mapping[str, Mapping[str, int]]) -> str:
    lines = (f"{query}\t{document}\t{grade}\n" for query, grades in found.items() for document, grade in grades.items())
    return "".join(("query-id\tcorpus-id\tscore\n", *lines))
