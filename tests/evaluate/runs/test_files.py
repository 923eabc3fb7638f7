"""Run files and qrels of all shapes, and what is wrong with them by line."""

import json
from pathlib import Path

import pytest

from embed.errors import InputError
from evaluate.runs.files import qrels_lines, read_qrels, read_run, run_lines

RUN = {"q1": {"d1": 0.9, "d2": 0.5}, "q2": {"d3": 0.25}}


def written(folder: Path, text: str, name: str = "file") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_run(written(tmp_path, "".join(run_lines(RUN, "ours")))) == RUN
    assert read_run(written(tmp_path, "\ufeffq1\tQ0\td1\t1\t-2e1\tbm25\r\n\r\n")) == {"q1": {"d1": -20.0}}


def test_qrels_of_beir_and_of_trec(tmp_path: Path) -> None:
    qrels = {"q1": {"d1": 1, "d2": 0}, "q 2": {"d 3": 2}}
    assert read_qrels(written(tmp_path, "".join(qrels_lines(qrels)))) == qrels
    assert read_qrels(written(tmp_path, "q1 0 d1 1\nq2 0 d3 -1\n")) == {"q1": {"d1": 1}, "q2": {"d3": -1}}
    assert read_qrels(written(tmp_path, "q1\td1\t1\n")) == {"q1": {"d1": 1}}


def test_predictions_of_mteb(tmp_path: Path) -> None:
    both = {
        "mteb_model_meta": {"model_name": "x", "revision": None},
        "en": {"test": RUN, "dev": {}},
        "fr": {"test": RUN},
    }
    url = written(tmp_path, json.dumps(both))
    assert read_run(f"{url}#fr/test") == RUN
    with pytest.raises(InputError, match=r"3 parts; name one after a #: en/test, en/dev, fr/test"):
        read_run(url)
    with pytest.raises(InputError, match="no part is called de/test"):
        read_run(f"{url}#de/test")
    assert read_run(written(tmp_path, json.dumps({"default": {"test": RUN}}))) == RUN


WRONG_RUNS = {
    "line 2: 5 fields": "q1 Q0 d1 1 2.0 x\nq1 Q0 d2 2 1.0\n",
    "line 2: d1 is listed twice for query q1": "q1 Q0 d1 1 2.0 x\nq1 Q0 d1 2 1.0 x\n",
    "line 1: the score 'nan' is not a finite number": "q1 Q0 d1 1 nan x\n",
    "line 1: the score 'best' is not a finite": "q1 Q0 d1 1 best x\n",
    "the run has no answers": "\n\n",
    "neither a run file nor JSON": '{"default": ',
    "not mteb's predictions of retrieval": '{"default": {"test": [1]}}',
    "0 parts": '{"default": 3}',
}
WRONG_QRELS = {
    "line 2: 2 fields": "q1\td1\t1\nq2\td2\n",
    "line 2: the relevance 'yes' is not a whole number": "q1\td1\t1\nq2\td2\tyes\n",
    "line 2: another relevance of d1": "q1\td1\t1\nq1\td1\t2\n",
    "no document is relevant to any query": "query-id\tcorpus-id\tscore\nq1\td1\t0\n",
}


def test_what_is_wrong_is_named_by_file_and_line(tmp_path: Path) -> None:
    for read, cases in ((read_run, WRONG_RUNS), (read_qrels, WRONG_QRELS)):
        for message, text in cases.items():
            url = written(tmp_path, text)
            with pytest.raises(InputError, match=message) as raised:
                read(url)
            assert url in str(raised.value)
    Path(url).write_bytes(b"q1 Q0 \xff 1 1 x")
    with pytest.raises(InputError, match="not UTF-8"):
        read_run(url)
    with pytest.raises(InputError, match="nowhere"):
        read_run(str(tmp_path / "nowhere.run"))
