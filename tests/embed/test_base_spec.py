"""Specs at their door: read, overridden, refused in one line, and named by what defines the result."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from embed.base_spec import Spec, canonical_json, read_yaml, speed_only
from embed.errors import SpecError


class InputSpec(Spec):
    url: str = speed_only(..., "Where it lies")
    lang: str | None = None


class CutSpec(Spec):
    window_s: float = Field(default=30.0, gt=0)
    overlap: float = 0.5


class ArchiveSpec(Spec):
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    output: str
    cut: CutSpec = Field(default_factory=CutSpec)
    workers: int = speed_only(1, "How many at a time", ge=1)


VALUES: dict[str, Any] = {"inputs": [{"url": "a.wav", "lang": "fr"}, {"url": "b.wav"}], "output": "out"}
# Written down: a result that is named today has the same name for ever.
IDENTITY = "ad5f52c41ddf0d232fe0b55e8acc453b"


def test_a_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "archive.yaml"
    path.write_text("inputs: [{url: é.wav}]\noutput: out\ncut:\n  window_s: 20\n", encoding="utf-8")
    spec = ArchiveSpec.load(path, ["workers=4"])
    assert spec.inputs == (InputSpec(url="é.wav"),)
    assert (spec.cut, spec.workers) == (CutSpec(window_s=20, overlap=0.5), 4)


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ArchiveSpec.parse(VALUES).workers = 2


@pytest.mark.parametrize(
    ("override", "where", "value"),
    [
        ("output=s3://bucket/a=b", "output", "s3://bucket/a=b"),
        ("cut.window_s=12.5", "cut.window_s", 12.5),
        ("workers=3", "workers", 3),
        ("inputs.0.url=c.wav", "inputs.0.url", "c.wav"),
        ("inputs.1.lang=wo", "inputs.1.lang", "wo"),
        ("inputs.0.lang=null", "inputs.0.lang", None),
        ("inputs.0.lang=", "inputs.0.lang", None),
        ("inputs=[{url: d.wav}]", "inputs.0.url", "d.wav"),
        ("inputs.1={url: e.wav}", "inputs.1.url", "e.wav"),
    ],
)
def test_an_override_reaches_its_field_and_no_other(override: str, where: str, value: object) -> None:
    plain: Any = ArchiveSpec.parse(VALUES).model_dump(mode="json")
    found: Any = ArchiveSpec.parse(VALUES, [override]).model_dump(mode="json")
    *parents, last = where.split(".")
    place, there = found, plain
    for part in parents:
        place, there = (side[int(part) if part.isdigit() else part] for side in (place, there))
    assert place[last] == value
    if not override.startswith(("inputs=", "inputs.1={")):
        there[last] = value
        assert found == plain


def test_the_last_override_of_a_field_counts() -> None:
    assert ArchiveSpec.parse(VALUES, ["workers=2", "workers=3"]).workers == 3


def test_overriding_leaves_the_given_values_alone() -> None:
    ArchiveSpec.parse(VALUES, ["inputs.0.url=c.wav", "inputs.1.lang=wo"])
    assert VALUES["inputs"] == [{"url": "a.wav", "lang": "fr"}, {"url": "b.wav"}]


def test_the_identity_is_the_same_for_ever() -> None:
    assert ArchiveSpec.parse(VALUES).identity() == IDENTITY
    in_another_order = {"output": "out", "inputs": [{"lang": "fr", "url": "a.wav"}, {"url": "b.wav", "lang": None}]}
    assert ArchiveSpec.parse(in_another_order).identity() == IDENTITY
    assert ArchiveSpec.parse(VALUES, ["cut.window_s=30"]).identity() == IDENTITY


@pytest.mark.parametrize("override", ["workers=7", "inputs.0.url=elsewhere/a.wav"])
def test_what_changes_speed_or_place_alone_is_no_part_of_the_identity(override: str) -> None:
    assert ArchiveSpec.parse(VALUES, [override]).identity() == IDENTITY


@pytest.mark.parametrize(
    "override", ["output=other", "cut.window_s=31", "inputs.0.lang=wo", "inputs=[{url: a.wav, lang: fr}]"]
)
def test_what_changes_the_result_changes_the_identity(override: str) -> None:
    assert ArchiveSpec.parse(VALUES, [override]).identity() != IDENTITY


def test_the_defining_fields_are_plain_values() -> None:
    assert ArchiveSpec.parse(VALUES).defining() == {
        "inputs": [{"lang": "fr"}, {"lang": None}],
        "output": "out",
        "cut": {"window_s": 30.0, "overlap": 0.5},
    }
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"input": [{"url": "a"}], "output": "out"},
            "unknown field 'input'; known here: cut, inputs, output, workers",
        ),
        ({**VALUES, "cut": {"windows": 1}}, "unknown field 'cut.windows'; known here: overlap, window_s"),
        (
            {"inputs": [{"uri": "a"}], "output": "out"},
            "unknown field 'inputs.0.uri'; known here: lang, url",
        ),
        ({"output": "out"}, "field 'inputs' is missing; add it"),
        ({**VALUES, "inputs": [{"lang": "fr"}]}, "field 'inputs.0.url' is missing; add it"),
        ({**VALUES, "cut": {"window_s": -1}}, "field 'cut.window_s' = -1: Input should be greater than 0"),
        ({**VALUES, "workers": "two"}, "field 'workers' = 'two': Input should be a valid integer"),
    ],
)
def test_an_error_names_field_value_and_cure(values: dict[str, Any], line: str) -> None:
    with pytest.raises(SpecError) as caught:
        ArchiveSpec.parse(values, origin="a.yaml")
    assert str(caught.value).startswith(f"a.yaml: {line}")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("workers", "--set workers: write it as field=value"),
        ("=2", "--set =2: write it as field=value"),
        ("inputs.2.url=c", "--set inputs.2.url=c: '2' is not a position in a list of 2"),
        ("inputs.first.url=c", "'first' is not a position in a list of 2"),
        ("output.name=c", "--set output.name=c: 'name' is inside a plain value, which has no fields"),
        ("inputs=[{url: d", "--set inputs=[{url: d: the value is not readable as YAML; put it in quotes"),
        ("cut.windows=1", "unknown field 'cut.windows'; known here: overlap, window_s"),
        ("inputs.0.url=", "field 'inputs.0.url' = None: must be a text"),
    ],
)
def test_a_wrong_override_is_named(override: str, line: str) -> None:
    with pytest.raises(SpecError) as caught:
        ArchiveSpec.parse(VALUES, [override])
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "no such spec file; the ready ones are in deploy/specs/"),
        (b"inputs: [", "not readable as YAML: while parsing"),
        (b"\xff\xfe\x00", "not readable as YAML"),
        (b"- one\n- two\n", "a spec must be a mapping of fields to values, this is list"),
        (b"", "a spec must be a mapping of fields to values, this is NoneType"),
        (b"a: &x [1, 2]\nb: *x\n", "not readable as YAML: an alias (*x); write the value out"),
        (b"a: 1\nb: 2\na: 3\n", "not readable as YAML: 'a' is given twice"),
    ],
    ids=["missing", "broken", "binary", "list", "empty", "alias", "twice"],
)
def test_a_file_that_is_no_spec_is_named(content: bytes | None, line: str, tmp_path: Path) -> None:
    path = tmp_path / "archive.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {line}")
    assert "\n" not in str(caught.value)
