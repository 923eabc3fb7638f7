from pathlib import Path

from embed.archive.side_files import SideFiles, broken_rows, is_side_table


def test_a_csv_and_a_jsonl_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,speaker,lang\na.wav,Awa,wo\nx/b.wav,,\n")
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "a.wav", "speaker": "Awa", "language": "wo"}\n{"file_name": "x/b.wav", "tags": [1]}\n'
    )
    for name in ("metadata.csv", "metadata.jsonl"):
        side_files, url = SideFiles(), str(tmp_path / name)
        assert is_side_table(url, "v")
        assert side_files.read(url, "v") == 0
        assert side_files.of(f"{tmp_path}/a.wav") == ("wo", {"speaker": "Awa"})
        assert side_files.of(f"{tmp_path}/x/b.wav") == (None, {})
        assert side_files.of(f"{tmp_path}/c.wav") == (None, {})


def test_tables_that_name_no_files_are_no_side_files(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("id,text\n1,a\n")
    (tmp_path / "metadata.jsonl").write_text('{"_id": "1", "text": "a"}\n')
    (tmp_path / "other.csv").write_text("file_name,x\na,b\n")
    assert not any(is_side_table(str(path), "v") for path in tmp_path.iterdir())
    (tmp_path / "metadata.csv").write_text("")
    assert not is_side_table(str(tmp_path / "metadata.csv"), "v")


def test_rows_that_name_no_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,x\na.wav,1\n,2\nftp://a/b.wav,3\n")
    url = str(tmp_path / "metadata.csv")
    assert [one.reason for one in broken_rows(url, "v")] == [
        "row 1: no file_name",
        "row 2: 'ftp://a/b.wav': neither a local path nor s3://bucket/path nor https://host/path; give one of these",
    ]
    side_files = SideFiles()
    assert side_files.read(url, "v") == 2
    assert list(side_files.about) == [f"{tmp_path}/a.wav"]
