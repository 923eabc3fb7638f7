import pytest

from embed.file_kinds import format_of, modality_of, side_kind


def test_suffix_decides_the_modality_unless_declared() -> None:
    assert modality_of("a/b.TXT") == modality_of("b.jsonl") == "text"
    assert modality_of("b.wav") == modality_of("b") == modality_of("b.txt.gz") == "speech"
    assert modality_of("b.CSV.gz") == modality_of("b.parquet") == modality_of("b.wav", "text") == "text"
    formats = [format_of(name, "text") for name in ("a.txt", "a.ndjson", "a.jsonl.gz", "a.tsv", "a.parquet", "a.md")]
    assert formats == ["txt", "jsonl", "jsonl", "csv", "parquet", "txt"]
    assert format_of("a.csv", "speech") == "audio"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *((path, "hidden file") for path in (".DS_Store", ".git/config", "a/.hidden.wav", "._a.wav")),
        *(
            (path, "side file")
            for path in ("README.md", "LICENSE", "a/README", "Thumbs.db", "desktop.ini", "authors.txt")
        ),
        *((path, "side file") for path in ("changelog.gz", "changelog.Debian.gz", "license.apache.txt", "_SUCCESS")),
        ("cover.JPG", "picture"),
        ("disc.cue", "playlist"),
        ("a.md5", "checksum"),
        ("a.json", "description"),
        ("rip.log", "log"),
    ],
)
def test_side_files(path: str, kind: str) -> None:
    assert side_kind(path) == kind


@pytest.mark.parametrize(
    "path", ["a.wav", "a/b.mp3", "notes.txt", "c.jsonl", "report.docx", "noname", "t.csv", "a.parquet"]
)
def test_not_side_files(path: str) -> None:
    assert side_kind(path) is None


@pytest.mark.parametrize("stem", ["Authors", "copyright", "desktop", "thumbs", "license", "changelog", "README"])
def test_recordings_and_tables_with_the_name_of_a_side_file(stem: str) -> None:
    for suffix in ("wav", "MP3", "ogg", "amr", "mkv", "csv", "jsonl.gz", "parquet"):
        assert side_kind(f"a/{stem}.{suffix}") is None
