import pytest

from embed.archive.inputs import InputSpec, format_of, is_side_file, modality_of
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


def test_suffix_decides_the_modality_unless_declared() -> None:
    assert modality_of("a/b.TXT") == modality_of("b.jsonl") == "text"
    assert modality_of("b.wav") == modality_of("b") == modality_of("b.txt.gz") == "speech"
    assert modality_of("b.CSV.gz") == modality_of("b.parquet") == modality_of("b.wav", "text") == "text"
    formats = [format_of(name, "text") for name in ("a.txt", "a.ndjson", "a.jsonl.gz", "a.tsv", "a.parquet", "a.md")]
    assert formats == ["txt", "jsonl", "jsonl", "csv", "parquet", "txt"]
    assert format_of("a.csv", "speech") == "audio"


def test_columns_are_of_four_kinds() -> None:
    assert InputSpec(url="a", columns={"text": "body"}).identity() != InputSpec(url="a").identity()
    with pytest.raises(SpecError, match="columns"):
        InputSpec.parse({"url": "a", "columns": {"body": "text"}})


@pytest.mark.parametrize(
    "path", [".DS_Store", ".git/config", "a/.hidden.wav", "cover.JPG", "README.md", "LICENSE", "a/README"]
)
def test_side_files(path: str) -> None:
    assert is_side_file(path)


@pytest.mark.parametrize(
    "path", ["a.wav", "a/b.mp3", "notes.txt", "c.jsonl", "report.docx", "noname", "t.csv", "a.parquet"]
)
def test_not_side_files(path: str) -> None:
    assert not is_side_file(path)
