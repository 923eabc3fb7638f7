"""Benchmarks of BEIR's shape: what is chosen for a task, and what is wrong by file and line."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed.errors import InputError
from evaluate.benchmarks.beir import read_beir

QUERIES: list[dict[str, Any]] = [
    {"_id": "s1", "audio": "s1.wav", "text": "bonjour", "lang": "fr"},
    {"_id": "s2", "audio": "s2.wav", "start_s": 1, "end_s": 2.5, "lang": "fr"},
    {"_id": "t1", "text": "good morning", "lang": "en"},
]
CORPUS: list[dict[str, Any]] = [
    {"_id": "d1", "text": "body", "title": "Head", "lang": "en"},
    {"_id": "d2", "text": "other", "lang": "en"},
    {"_id": "d3", "audio": "s1.wav", "lang": "fr"},
    {"_id": "d4", "audio": "s2.wav", "lang": "fr"},
]
QRELS = "query-id\tcorpus-id\tscore\ns1\td1\t1\ns1\td2\t0\ns1\td3\t1\ns1\td4\t1\ns2\td2\t1\nt1\td3\t2\n"


def benchmark_in(folder: Path, queries: Any = QUERIES, corpus: Any = CORPUS, qrels: str = QRELS) -> str:
    (folder / "qrels").mkdir(exist_ok=True)
    for name, rows in (("queries", queries), ("corpus", corpus)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    for name in ("s1.wav", "s2.wav"):
        (folder / name).touch()
    return str(folder)


def test_each_direction_has_its_questions_and_its_collection(tmp_path: Path) -> None:
    found = read_beir(benchmark_in(tmp_path))
    spoken = found.chosen("test", "speech", "text")
    assert [one.id for one in spoken.queries] == ["s1", "s2"]
    assert [one.text for one in spoken.documents] == ["Head body", "other"]
    assert spoken.answers == [{0}, {1}]
    assert (spoken.queries[1].clip("x").offset_s, spoken.queries[1].clip("x").duration_s) == (1.0, 1.5)
    typed = found.chosen("test", "text", "speech", "en", "fr")
    assert ([one.id for one in typed.queries], typed.answers) == (["t1"], [{0}])
    same = found.chosen("test", "speech", "speech")
    assert ([one.id for one in same.queries], same.answers, same.excluded) == (["s1"], [{1}], [[0]])  # never itself


WRONG: dict[str, dict[str, Any]] = {
    r"test.tsv, line 2: query 'x' is not in queries.jsonl": {"qrels": "s1\td1\t1\nx\td1\t1\n"},
    r"test.tsv, line 2: document 'x' of query 's1' is not in corpus.jsonl": {"qrels": "s1\td1\t1\ns1\tx\t1\n"},
    "no document is relevant": {"qrels": "s1\td1\t0\n"},
    r"queries.jsonl, line 2: the id 's1' is that of .*line 1": {"queries": [QUERIES[0], QUERIES[0]]},
    "corpus.jsonl, line 1: neither text nor audio": {"corpus": [{"_id": "d1"}]},
    "corpus.jsonl, line 1: _id is None": {"corpus": [{"text": "x"}]},
    "corpus.jsonl, line 1: _id is 'a b'": {"corpus": [{"_id": "a b", "text": "x"}]},
    "line 1: end_s 1 is not after start_s 2": {"queries": [{"_id": "s1", "audio": "a", "start_s": 2, "end_s": 1}]},
    "line 1: start_s is '1'": {"queries": [{"_id": "s1", "audio": "a", "start_s": "1"}]},
    "line 1: text is \\[1\\]": {"queries": [{"_id": "s1", "text": [1]}]},
    r"line 1: .*gone.wav: no such recording": {"queries": [{"_id": "s1", "audio": "gone.wav"}]},
    "no speech question has a right answer among 2 text documents; questions: 1 text": {
        "queries": [{"_id": "s1", "text": "typed"}],
        "qrels": "s1\td1\t1\n",
    },
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named(message: str, tmp_path: Path) -> None:
    changed = {"qrels": "s1\td1\t1\n"} | WRONG[message]
    with pytest.raises(InputError, match=message):
        read_beir(benchmark_in(tmp_path, **changed)).chosen("test", "speech", "text")


def test_missing_files_and_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries.jsonl: missing; a benchmark has"):
        read_beir(str(tmp_path))
    with pytest.raises(InputError, match=r"dev.tsv: missing; parts here: test; set"):
        read_beir(benchmark_in(tmp_path)).chosen("dev", "speech", "text")
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n{nonsense\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"corpus.jsonl, line 2: .*correct or remove this line"):
        read_beir(str(tmp_path))
