"""The settings of an index."""

from pathlib import Path

import pytest

from embed.errors import SpecError
from index.spec import CODE_BITS, IndexSpec, check_code_dim

FIELDS = {"vectors": "data/vectors/", "output": "data/index"}


def test_read_from_yaml(tmp_path: Path) -> None:
    (tmp_path / "index.yaml").write_text("vectors: s3://bucket/vectors\noutput: out\ncode_dim: 64\n")
    spec = IndexSpec.load(tmp_path / "index.yaml", ["recall=0.95", "code_bits=1.33"])
    assert (spec.code_dim, spec.code_bits, spec.recall, spec.ladder) == (64, 1.33, 0.95, "auto")
    assert (spec.version, spec.lists, spec.memory_gb, spec.device) == (None, None, None, "auto")


def test_a_trailing_slash_is_no_difference() -> None:
    assert IndexSpec.parse(FIELDS).identity() == IndexSpec.parse({**FIELDS, "vectors": "data/vectors"}).identity()


@pytest.mark.parametrize("field", ["output", "device", "workers"])
def test_what_changes_only_speed_does_not_define_the_result(field: str) -> None:
    value = {"output": "elsewhere", "device": "cpu", "workers": 3}[field]
    assert IndexSpec.parse(FIELDS).identity() == IndexSpec.parse({**FIELDS, field: value}).identity()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("recall", 0.9),
        ("questions", "log.jsonl"),
        ("ladder", "exact"),
        ("lists", 16),
        ("code_bits", 2.0),
        ("code_dim", 64),
        ("memory_gb", 1.0),
        ("latency_ms", 5.0),
    ],
)
def test_what_changes_the_result_defines_it(field: str, value: object) -> None:
    assert IndexSpec.parse(FIELDS).identity() != IndexSpec.parse({**FIELDS, field: value}).identity()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"code_dim": 0}, "field 'code_dim' = 0"),
        ({"code_bits": 3}, r"field 'code_bits' = 3.*choose one of 0.5, 1.0, 1.33, 2.0"),
        ({"lists": 0}, "field 'lists' = 0"),
        ({"recall": 0.5}, r"field 'recall' = 0.5"),
        ({"recall": 1.01}, r"field 'recall' = 1.01"),
        ({"memory_gb": 0}, "field 'memory_gb' = 0"),
        ({"latency_ms": -1}, "field 'latency_ms' = -1"),
        ({"workers": 0}, "field 'workers' = 0"),
        ({"version": 0}, "field 'version' = 0"),
        ({"questions": ""}, "field 'questions'"),
        ({"ladder": "graph"}, "field 'ladder' = 'graph'.*'auto', 'exact' or 'coded'"),
        ({"device": "tpu"}, "field 'device' = 'tpu'.*'auto', 'cpu' or 'gpu'"),
        ({"shortlist_dim": 64}, "unknown field 'shortlist_dim'"),
        ({"output": "data/vectors/"}, "output is the vectors dataset itself; give the index a url of its own"),
        ({"vectors": ""}, "field 'vectors'"),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_wrong_fields_are_named(wrong: dict[str, object], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        IndexSpec.parse({**FIELDS, **wrong})


def test_bits_are_those_of_one_4_bit_code_for_so_many_dims() -> None:
    assert all(abs(4 / per_code - bits) < 0.01 for bits, per_code in CODE_BITS.items())


def test_a_dim_that_is_not_declared_names_those_that_are() -> None:
    spec = IndexSpec.parse({**FIELDS, "code_dim": 100})
    with pytest.raises(SpecError, match="code_dim = 100: data/vectors declares the dims 384, 128; choose one"):
        check_code_dim(spec, (384, 128))


@pytest.mark.parametrize("code_dim", [None, 128])
def test_a_dim_that_is_declared(code_dim: int | None) -> None:
    check_code_dim(IndexSpec.parse({**FIELDS, "code_dim": code_dim}), (384, 128))
