import os
from pathlib import Path

from embed.storage.local import TEMPORARY, LocalFiles


def names(folder: Path) -> list[str]:
    return sorted(Path(entry.url).name for entry in LocalFiles().listing(str(folder)))


def test_temporaries_of_a_killed_writer_are_not_listed(tmp_path: Path) -> None:
    files = LocalFiles()
    with files.scratch(str(tmp_path)) as path:
        path.write_bytes(b"half")
        assert names(tmp_path) == []
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


def test_creation_never_replaces(tmp_path: Path) -> None:
    files = LocalFiles()
    assert files.create(str(tmp_path / "a"), b"first")
    assert not files.create(str(tmp_path / "a"), b"second")
    assert files.create(str(tmp_path / "a"), b"first")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"first"


def test_links_are_followed_circles_and_pipes_are_not(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked.wav").write_bytes(b"12")
    archive.mkdir()
    (archive / "to-elsewhere").symlink_to(tmp_path / "elsewhere")
    (archive / "circle").symlink_to(archive)
    (archive / "to-nowhere.wav").symlink_to(tmp_path / "gone.wav")
    os.mkfifo(archive / "pipe")
    assert names(archive) == ["linked.wav", "to-nowhere.wav"]


def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    assert names(tmp_path / "missing") == []


def test_what_killed_writers_left_is_swept_away_and_the_young_is_not(tmp_path: Path) -> None:
    old, young, kept = (tmp_path / "data" / name for name in (f".a{TEMPORARY}", f".b{TEMPORARY}", "c.parquet"))
    old.parent.mkdir()
    for path in (old, young, kept):
        path.write_bytes(b"x")
        os.utime(path, (1, 1))
    os.utime(young)
    LocalFiles().sweep(str(tmp_path))
    assert sorted(path.name for path in old.parent.iterdir()) == [young.name, kept.name]
    LocalFiles().sweep(str(tmp_path / "nowhere"))
