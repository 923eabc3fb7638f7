import pytest

from embed.file_kinds import format_of, is_side_file, modality_of


def test_suffix_decides_the_modality_unless_declared() -> None:
    assert modality_of("a/b.TXT") == modality_of("b.jsonl") == "text"
    assert modality_of("b.wav") == modality_of("b") == modality_of("b.txt.gz") == "speech"
    assert modality_of("b.CSV.gz") == modality_of("b.parquet") == modality_of("b.wav", "text") == "text"
    formats = [format_of(name, "text") for name in ("a.txt", "a.ndjson", "a.jsonl.gz", "a.tsv", "a.parquet", "a.md")]
    assert formats == ["txt", "jsonl", "jsonl", "csv", "parquet", "txt"]
    assert format_of("a.csv", "speech") == "audio"


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
