import json

import pytest

from evaluate.bench.shape import Row, document, machine

FASTER = Row("qps@recall0.99 batch", "hnswlib", 3000, 500, "queries/cpu-s", goal=5.0)
SMALLER = Row("index size", "hnswlib", 20, 10, "bytes/vector", goal=1.0, lower_is_better=True)
ABSENT = Row("qps", "milvus-lite", 3000, None, "queries/cpu-s", goal=5.0, reason="no wheel for this Python")


def test_above_one_means_ours_is_better_whatever_the_unit() -> None:
    assert (FASTER.ratio, FASTER.met) == (6.0, True)
    assert (SMALLER.ratio, SMALLER.met) == (0.5, False)


def test_a_peer_that_gave_no_number_is_neither_met_nor_missed() -> None:
    assert (ABSENT.ratio, ABSENT.met) == (None, None)
    with pytest.raises(ValueError, match="give the reason"):
        Row("qps", "milvus-lite", 3000, None, "queries/cpu-s")


def test_a_document_is_plain_json() -> None:
    plain = json.loads(json.dumps(document("index", [FASTER, ABSENT], packages=["pydantic", "no-such-peer"])))
    assert list(plain) == ["bench", "date", "machine", "versions", "rows"]
    assert plain["date"].endswith("+00:00")
    assert plain["machine"] == machine()
    assert set(plain["versions"]) == {"python", "numpy", "pydantic", "no-such-peer"}
    assert plain["versions"]["no-such-peer"] == "not installed"
    assert plain["rows"][0] == {
        "measure": "qps@recall0.99 batch",
        "against": "hnswlib",
        "ours": 3000,
        "theirs": 500,
        "unit": "queries/cpu-s",
        "ratio": 6.0,
        "goal": 5.0,
        "met": True,
    }
    assert plain["rows"][1]["theirs"] is None
    assert plain["rows"][1]["reason"] == "no wheel for this Python"
