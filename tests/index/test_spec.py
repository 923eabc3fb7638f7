"""The settings of an index."""

from pathlib import Path

import pytest

from embed.errors import SpecError
from index.spec import IndexSpec, check_shortlist_dim

FIELDS = {"vectors": "data/vectors/", "output": "data/index"}


def test_read_from_yaml(tmp_path: Path) -> None:
    (tmp_path / "index.yaml").write_text("vectors: s3://bucket/vectors\noutput: out\nshortlist_dim: 64\n")
    spec = IndexSpec.load(tmp_path / "index.yaml", ["shortlist_depth=300"])
    assert (spec.shortlist_dim, spec.shortlist_depth, spec.version, spec.device) == (64, 300, None, "auto")


def test_a_trailing_slash_is_no_difference() -> None:
    assert IndexSpec.parse(FIELDS).identity() == IndexSpec.parse({**FIELDS, "vectors": "data/vectors"}).identity()


def test_output_and_device_do_not_define_the_result() -> None:
    other = IndexSpec.parse({**FIELDS, "output": "elsewhere", "device": "cpu"})
    assert IndexSpec.parse(FIELDS).identity() == other.identity()
    assert IndexSpec.parse(FIELDS).identity() != IndexSpec.parse({**FIELDS, "shortlist_depth": 9}).identity()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"shortlist_dim": 0}, "field 'shortlist_dim' = 0"),
        ({"shortlist_depth": 0}, "field 'shortlist_depth' = 0"),
        ({"device": "tpu"}, "field 'device' = 'tpu'.*'auto', 'cpu' or 'gpu'"),
        ({"recall": 0.9}, "unknown field 'recall'"),
        ({"output": "data/vectors/"}, "output is the vectors dataset itself; give the index a place of its own"),
        ({"vectors": ""}, "field 'vectors'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_fields_are_named(wrong: dict[str, object], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        IndexSpec.parse({**FIELDS, **wrong})


def test_a_dim_that_is_not_declared_names_those_that_are() -> None:
    spec = IndexSpec.parse({**FIELDS, "shortlist_dim": 100})
    with pytest.raises(SpecError, match="shortlist_dim = 100: data/vectors declares the dims 384, 128; choose one"):
        check_shortlist_dim(spec, (384, 128))
