"""Run files and qrels: TREC's run files and mteb's prediction files, BEIR's and TREC's qrels, by url.

- a run file has lines `query Q0 document rank score name`; the order is that of the scores, as in trec_eval
- an mteb prediction file is JSON; of several subsets or splits one is chosen by `FILE#subset/split`
- qrels have lines `query document relevance` (BEIR, with or without header) or `query 0 document relevance` (TREC)
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from embed.errors import InputError
from embed.storage import store
from evaluate.results import Qrels, Run

RUNS, QRELS, RUN = "runs", ".qrels.tsv", ".run"  # in the folder of a report
MOST_BYTES = 2 << 30
META = "mteb_model_meta"


def read_run(url: str) -> Run:
    """A run of TREC's or mteb's shape; InputError that names file, line and cure."""
    file, _, part = url.partition("#")
    text = _text(file)
    found = _predictions(file, part, text) if text.lstrip()[:1] == "{" else _trec(file, text)
    if not found:
        raise InputError(f"{file}: the run has no answers; give a run file of `query Q0 document rank score name`")
    return found


def read_qrels(url: str) -> Qrels:
    """Relevance by query and document; InputError that names file, line and cure."""
    found: dict[str, dict[str, int]] = {}
    for number, fields in _lines(_text(url), tabs=True):
        if len(fields) not in (3, 4):
            _wrong(url, number, f"{len(fields)} fields; qrels have `query document relevance` or TREC's four")
        query, document, grade = fields[0], fields[-2], fields[-1]
        if number == 1 and not grade.lstrip("-").isdigit():
            continue  # BEIR's header
        if not grade.lstrip("-").isdigit():
            _wrong(url, number, f"the relevance {grade!r} is not a whole number")
        if found.setdefault(query, {}).setdefault(document, int(grade)) != int(grade):
            _wrong(url, number, f"another relevance of {document} for query {query} than on an earlier line")
    if not any(grade > 0 for one in found.values() for grade in one.values()):
        raise InputError(f"{url}: no document is relevant to any query; check that the file has qrels")
    return found


def line_of(url: str, query: str, document: str | None = None) -> int:
    """The first line of qrels that judges the query, or the document for it; 0 where none does."""
    lines = _lines(_text(url), tabs=True)
    return next((at for at, one in lines if one[0] == query and document in (None, one[-2])), 0)


def file_name(task: str) -> str:
    """Name of a task's files: its words."""
    return "-".join(re.findall(r"\w+", task.lower()))


def run_lines(run: Run, name: str) -> Iterator[str]:
    """Lines of a TREC run file, documents by descending score."""
    for query, scores in run.items():
        ordered = sorted(scores.items(), key=lambda one: -one[1])
        for rank, (document, score) in enumerate(ordered, start=1):
            yield f"{query} Q0 {document} {rank} {score:.7f} {name}\n"


def qrels_lines(qrels: Qrels) -> Iterator[str]:
    """Lines of BEIR's qrels, with their header."""
    yield "query-id\tcorpus-id\tscore\n"
    for query, grades in qrels.items():
        for document, grade in grades.items():
            yield f"{query}\t{document}\t{grade}\n"


def _trec(url: str, text: str) -> Run:
    found: dict[str, dict[str, float]] = {}
    for number, fields in _lines(text):
        if len(fields) != 6:
            _wrong(url, number, f"{len(fields)} fields; a run has six: query Q0 document rank score name")
        query, document = fields[0], fields[2]
        answers = found.setdefault(query, {})
        if document in answers:
            _wrong(url, number, f"{document} is listed twice for query {query}")
        answers[document] = _score(url, number, fields[4])
    return found


def _predictions(url: str, part: str, text: str) -> Run:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise InputError(f"{url}: neither a run file nor JSON of mteb's predictions: {error}") from error
    parts = {
        f"{subset}/{split}": answers
        for subset, splits in read.items()
        if subset != META and isinstance(splits, dict)
        for split, answers in splits.items()
    }
    if part and part not in parts:
        raise InputError(f"{url}: no part is called {part}; give one of {', '.join(parts)} after the #")
    if not part and len(parts) != 1:
        raise InputError(f"{url}: {len(parts)} parts; name one after a #: {', '.join(parts) or 'there is none'}")
    chosen: Any = parts[part or next(iter(parts))]
    try:
        return {
            str(query): {str(document): _score(url, 0, score) for document, score in answers.items()}
            for query, answers in chosen.items()
        }
    except AttributeError:
        raise InputError(f"{url}: not mteb's predictions of retrieval: query -> document -> score") from None


def _score(url: str, number: int, score: object) -> float:
    try:
        found = float(score)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        _wrong(url, number, f"the score {score!r} is not a finite number")
    return found


def _lines(text: str, tabs: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Fields of each line that is not empty; split at tabs where there are some and `tabs` is set."""
    for number, line in enumerate(text.splitlines(), start=1):
        if fields := line.strip("\r\n").split("\t") if tabs and "\t" in line else line.split():
            yield number, [field.strip() for field in fields]


def _text(url: str) -> str:
    with store.open_input(url) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(f"{url}: larger than 2 GiB; keep the first hundred documents of each query")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{url}: not UTF-8 (byte {error.start}); give a run file as text") from error


def _wrong(url: str, number: int, what: str) -> NoReturn:
    raise InputError(f"{url}{f', line {number}' if number else ''}: {what}")
