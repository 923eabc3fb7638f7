"""Folders with everything that cannot be read; each is listed with its reason, and opening it raises the same."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embed.errors import InputError, UnreadableFile
from embed.storage import store

HOUSE = Path(__file__).resolve().parents[3]
DEEP = "d" * 200  # 21 such folders make a path that is longer than the system allows, for root too


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "sub").mkdir(parents=True)
    (folder / "good.wav").write_bytes(b"12")
    (folder / "sub" / "good.wav").write_bytes(b"12")
    return folder


def problems(folder: Path) -> dict[str, str]:
    return {entry.url[len(str(folder)) + 1 :]: entry.problem for entry in store.inputs(str(folder)) if entry.problem}


def good(folder: Path) -> list[str]:
    urls = [entry.url[len(str(folder)) + 1 :] for entry in store.inputs(str(folder)) if entry.problem is None]
    return [url for url in urls if not url.endswith("/")]


@pytest.mark.timeout(20)
def test_each_is_listed_with_the_reason_that_opening_raises(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (archive / "self.wav").symlink_to("self.wav")
    (archive / "one.wav").symlink_to("two.wav")
    (archive / "two.wav").symlink_to("one.wav")
    (archive / "nowhere.wav").symlink_to("gone.wav")
    (archive / "below-a-file.wav").symlink_to("good.wav/x")
    (archive / "null.wav").symlink_to("/dev/null")
    (archive / "up").symlink_to(".")
    (archive / "sub" / "top").symlink_to(archive)
    os.mkfifo(archive / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(archive)
        server.bind("socket.wav")  # the kernel takes no long path
    expected = {
        "self.wav": "a link leads to itself",
        "one.wav": "a link leads to itself",
        "two.wav": "a link leads to itself",
        "nowhere.wav": "a link to 'gone.wav', where there is no file",
        "below-a-file.wav": "not a directory",
        "null.wav": "a device, and no file",
        "up/": "a link to a folder above it",
        "sub/top/": "a link to a folder above it",
        "pipe.wav": "a pipe, and no file",
        "socket.wav": "a socket, and no file",
    }
    found = problems(archive)
    assert found.keys() == expected.keys()
    for name, reason in expected.items():
        with pytest.raises((InputError, UnreadableFile)) as caught:
            store.open_input(f"{archive}/{name}")
        assert f"{type(caught.value).__name__}: {caught.value}" == found[name]
        assert reason in found[name]
        assert f"{archive}/{name}: " in found[name]
    assert good(archive) == ["good.wav", "sub/good.wav"]


def test_a_folder_that_cannot_be_listed_is_one_problem(archive: Path) -> None:
    place = os.open(archive, os.O_RDONLY)
    for _ in range(21):
        os.mkdir(DEEP, dir_fd=place)
        inner = os.open(DEEP, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    ((name, problem),) = problems(archive).items()
    assert name.endswith(f"{DEEP}/")
    assert problem.startswith("UnreadableFile: ")
    assert problem.endswith("file name too long; shorten the names of its folders")
    assert good(archive) == ["good.wav", "sub/good.wav"]


@pytest.mark.slow
def test_a_thousand_folders_inside_each_other(archive: Path) -> None:
    inside = archive
    for _ in range(1200):
        inside /= "a"
        inside.mkdir()
    (inside / "deep.wav").touch()
    found = problems(archive), len(good(archive))
    (inside / "deep.wav").unlink()
    os.removedirs(inside)  # pytest recurses to remove them
    assert found == ({}, 3)


def test_an_error_of_the_disk_while_reading_names_the_file(archive: Path) -> None:
    """Of a process that reads its memory at 0, where nothing is: a real error of input and output."""
    (archive / "spoilt.txt").symlink_to("/proc/self/mem")
    with store.open_input(f"{archive}/spoilt.txt") as stream:
        with pytest.raises(UnreadableFile, match=r"spoilt.txt: input/output error; check its disk"):
            stream.read(4)
        with pytest.raises(UnreadableFile, match=r"spoilt.txt: "):
            stream.read()
        with pytest.raises(UnreadableFile, match=r"spoilt.txt: "):
            stream.seek(0, os.SEEK_END)


@pytest.mark.slow
def test_files_and_folders_that_are_closed_to_this_user(archive: Path, tmp_path: Path) -> None:
    """As another process: root, who opens anything, gives up that power first."""
    (archive / "secret.wav").write_bytes(b"12")
    (archive / "lost+found").mkdir()
    (archive / "names only").mkdir()
    (archive / "names only" / "a.wav").write_bytes(b"12")
    for name, mode in (("secret.wav", 0o000), ("lost+found", 0o000), ("names only", 0o444)):
        (archive / name).chmod(mode)
    powers = "-dac_override,-dac_read_search"
    as_user = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}"] if os.geteuid() == 0 else []
    if as_user and not shutil.which("setpriv"):
        pytest.skip("root opens any file, and setpriv is not here to give that up")
    script = "import sys; from tests.embed.storage.test_local_inputs import show; show(sys.argv[1])"
    done = subprocess.run(
        [*as_user, sys.executable, "-c", script, archive], capture_output=True, text=True, check=True, cwd=HOUSE
    )
    for name in ("lost+found", "names only"):
        (archive / name).chmod(0o755)
    assert done.stdout.splitlines() == [
        "good.wav: fine",
        "lost+found/: UnreadableFile permission denied; give this user access",
        "names only/a.wav: UnreadableFile permission denied; give this user access",
        "secret.wav: UnreadableFile permission denied; give this user access",
        "sub/good.wav: fine",
    ]


def show(folder: str) -> None:
    """What opening each listed input raises."""
    for entry in store.inputs(folder):
        try:
            store.open_input(entry.url).close()
            reason = "fine"
        except UnreadableFile as error:
            reason = f"UnreadableFile {str(error).removeprefix(f'{entry.url}: ')}"
            reason += "" if entry.problem in (None, f"UnreadableFile: {error}") else f" but {entry.problem}"
        print(f"{entry.url[len(folder) + 1 :]}: {reason}")  # noqa: T201


def test_folders_that_are_linked_twice_are_listed_once(archive: Path) -> None:
    (archive / "again").symlink_to("sub")
    entries = {entry.url[len(str(archive)) + 1 :]: entry.repeats for entry in store.inputs(str(archive))}
    assert entries == {"again/good.wav": None, "good.wav": None, "sub/": f"{archive}/again"}


def test_names_that_are_not_utf_8_are_listed_and_opened(archive: Path) -> None:
    names = [b"\xe9mission.txt", rb"\xe9mission.txt", "émission.txt".encode(), b"b\xff\xfe/\xe0.txt"]
    (archive / os.fsdecode(b"b\xff\xfe")).mkdir()
    for name in names:
        (archive / os.fsdecode(name)).write_bytes(name)
    urls = [url for url in good(archive) if url.endswith(".txt")]
    assert sorted(urls) == sorted([r"\xe9mission.txt", r"\x5cxe9mission.txt", "émission.txt", r"b\xff\xfe/\xe0.txt"])
    read = []
    for url in urls:
        with store.open_input(f"{archive}/{url}") as stream:
            read.append(stream.read())
    assert sorted(read) == sorted(names)


def test_an_input_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    assert store.inputs(str(tmp_path / "absent")) == []
    (tmp_path / "self.wav").symlink_to("self.wav")
    (entry,) = store.inputs(str(tmp_path / "self.wav"))
    assert "a link leads to itself" in str(entry.problem)
