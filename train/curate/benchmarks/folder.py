"""Folder of a benchmark in BEIR's shape, written into the cache of this machine.

It is named by a digest of what is in it: readers find it complete, and another state of the data is another folder.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from embed.identity import digest
from embed.storage.cache import make_folder
from train.curate.benchmarks.lines import Lines, Row

FOLDER = "benchmarks"  # in the cache folder
CARD = "README.md"


def write(lines: Lines, name: str, card: str, cache: Path) -> Path:
    """The folder with these lines in the cache folder; one that is there already is not written again."""
    files = {
        "queries.jsonl": _json_lines(lines.queries.values()),
        "corpus.jsonl": _json_lines(lines.corpus.values()),
        **{f"qrels/{part}.tsv": _qrels(found) for part, found in sorted(lines.qrels.items())},
        CARD: card,
    }

    def fill(folder: Path) -> None:
        (folder / "qrels").mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")

    return make_folder(cache / FOLDER / f"{name}-{digest(*files.items()).hex()[:12]}", fill)


def _json_lines(rows: Iterable[Row]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _qrels(found: Mapping[str, Mapping[str, int]]) -> str:
    lines = (f"{query}\t{document}\t{grade}\n" for query, grades in found.items() for document, grade in grades.items())
    return "".join(("query-id\tcorpus-id\tscore\n", *lines))
