import pytest

from embed.archive.inputs import InputSpec
from embed.errors import SpecError


@pytest.mark.parametrize("url", ["/data/radio", "/data/radio/", "s3://bucket/archive/radio", "radio"])
def test_name_is_the_last_part_of_the_url(url: str) -> None:
    assert InputSpec(url=url).name == "radio"


def test_identity_follows_the_name_not_the_place() -> None:
    assert InputSpec(url="/a/radio").identity() == InputSpec(url="s3://b/radio").identity()
    assert InputSpec(url="/a/radio").identity() != InputSpec(url="/a/radio", name="other").identity()


def test_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="'langue'"):
        InputSpec.parse({"url": "a", "langue": "fr"})


def test_columns_are_of_four_kinds() -> None:
    assert InputSpec(url="a", columns={"text": "body"}).identity() != InputSpec(url="a").identity()
    with pytest.raises(SpecError, match="columns"):
        InputSpec.parse({"url": "a", "columns": {"body": "text"}})


def test_an_encoding_counts_where_it_is_set() -> None:
    plain = InputSpec(url="a")
    assert "encoding" not in plain.defining()
    assert InputSpec(url="a", encoding="UTF8").identity() == plain.identity()
    assert InputSpec(url="a", encoding="windows-1252").defining()["encoding"] == "cp1252"
    assert InputSpec(url="a", encoding="cp1252").identity() != plain.identity()
    with pytest.raises(SpecError, match=r"encoding.*'nonsense'.*e\.g\. cp1252"):
        InputSpec.parse({"url": "a", "encoding": "nonsense"})


def test_a_track_counts_where_it_is_set() -> None:
    assert "track" not in InputSpec(url="a").defining()
    assert InputSpec(url="a", track=0).identity() != InputSpec(url="a").identity()
    with pytest.raises(SpecError, match="'track' = -1"):
        InputSpec.parse({"url": "a", "track": -1})


def test_limits_of_the_web_count_where_they_are_set() -> None:
    assert "web" not in InputSpec(url="a").defining()
    changed = InputSpec.model_validate({"url": "a", "web": {"max_mb": 10}})
    assert changed.identity() != InputSpec(url="a").identity()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://radio.example/shows/rss/?format=full", "rss"),
        ("https://radio.example", "radio.example"),
        ("s3://bucket/what?.wav", "what?.wav"),
    ],
)
def test_an_input_of_the_web_is_named_by_its_path(url: str, name: str) -> None:
    assert InputSpec(url=url).name == name
