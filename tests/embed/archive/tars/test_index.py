import gzip
import os
import subprocess
import tarfile
import time
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from embed.archive.tars.index import Kind, TarIndex, read_index
from embed.storage import store
from tests.embed.archive.tars.packing import add, pack

FORMATS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = f"{'folder/' * 40}é à 𝄞.wav"


def read(path: Path, index: TarIndex) -> dict[str, bytes]:
    """The members that count, by name, as they are in the tar."""
    whole = path.read_bytes()
    places = zip(index.names.to_pylist(), index.begins, index.sizes, index.kinds, strict=True)
    return {name: whole[begin : begin + size] for name, begin, size, kind in places if kind == Kind.FILE}


@pytest.mark.parametrize("form", FORMATS)
def test_names_and_places_of_members(form: str, tmp_path: Path) -> None:
    members = {"a.wav": b"1" * 700, LONG: b"2" * 513, "../up.wav": b"3", "/abs.wav": b"4", "-": b"", "a b\n.wav": b"5"}
    pack(tmp_path / "a.tar", members.items(), FORMATS[form])
    index = read_index(str(tmp_path / "a.tar"))
    assert (index.problem, index.note) == (None, None)
    assert read(tmp_path / "a.tar", index) == members


def test_what_is_no_file_and_what_a_later_member_replaces(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "./a.wav", b"old")
        add(tar, "folder", type=tarfile.DIRTYPE)
        for name, kind in (("s", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)):
            add(tar, name, type=kind, linkname="a.wav")
        for name, kind in (("c", tarfile.CHRTYPE), ("f", tarfile.FIFOTYPE)):
            add(tar, name, type=kind)
        add(tar, "a.wav", b"new")
    index = read_index(str(tmp_path / "a.tar"))
    kinds = [Kind.REPLACED, Kind.LINK, Kind.LINK, Kind.SPECIAL, Kind.SPECIAL, Kind.FILE]
    assert index.kinds.tolist() == kinds
    assert read(tmp_path / "a.tar", index) == {"a.wav": b"new"}


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_files_are_known(form: str, tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    (tmp_path / "b.wav").write_bytes(b"plain")
    subprocess.run(["tar", "--sparse", f"--format={form}", "-cf", "a.tar", "a.wav", "b.wav"], cwd=tmp_path, check=True)
    index = read_index(str(tmp_path / "a.tar"))
    assert index.names.to_pylist() == ["a.wav", "b.wav"]
    assert index.kinds.tolist() == [Kind.SPARSE, Kind.FILE]
    assert read(tmp_path / "a.tar", index) == {"b.wav": b"plain"}


def test_tars_in_one_file_are_one(tmp_path: Path) -> None:
    parts = [pack(tmp_path / "part.tar", [(name, name.encode() * 300)]) for name in ("a.wav", "b.wav")]
    (tmp_path / "a.tar").write_bytes(b"".join(parts))
    index = read_index(str(tmp_path / "a.tar"))
    assert index.problem is None
    assert read(tmp_path / "a.tar", index) == {"a.wav": b"a.wav" * 300, "b.wav": b"b.wav" * 300}


@pytest.mark.parametrize(
    ("cut", "num", "expected"),
    [
        (1536, 1, None),  # between two members
        (1536 + 100, 1, "cut short at byte 1,636, in a header"),
        (2048, 1, "cut short at byte 2,048: 'b.wav' is at 2,048 to 2,748"),
        (2048 + 699, 1, "cut short at byte 2,747"),
        (2048 + 700, 2, None),  # only the filling of the last block is missing
        (300, 0, "no tar, though its name ends so"),
        (0, 0, "empty file"),
    ],
)
def test_a_tar_that_is_cut_short_has_the_members_before(
    cut: int, num: int, expected: str | None, tmp_path: Path
) -> None:
    whole = pack(tmp_path / "a.tar", [("a.wav", b"1" * 700), ("b.wav", b"2" * 700)], tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(whole[:cut])
    index = read_index(str(tmp_path / "a.tar"))
    assert len(index.names) == num
    if expected is None:
        assert index.problem is None
        assert index.note == f"{tmp_path}/a.tar: no mark at its end; if its writer was stopped, members are missing"
    else:
        assert index.problem is not None
        assert index.problem.startswith(f"InputError: {tmp_path}/a.tar: ")
        assert expected in index.problem


def test_a_damaged_header_ends_the_tar(tmp_path: Path) -> None:
    whole = bytearray(pack(tmp_path / "a.tar", [(f"{n}.wav", b"1" * 512) for n in range(3)], tarfile.GNU_FORMAT))
    whole[1024:1034] = b"\xff" * 10
    (tmp_path / "a.tar").write_bytes(whole)
    index = read_index(str(tmp_path / "a.tar"))
    assert index.names.to_pylist() == ["0.wav"]
    assert "damaged at byte 1,024" in str(index.problem)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.bz2", "a.tar.xz", "a.tar.zst"])
def test_a_packed_tar_is_refused_with_the_command_that_helps(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"any")
    problem = str(read_index(str(tmp_path / name)).problem)
    assert "packed as a whole" in problem
    if name == "a.tar.gz":
        pack(tmp_path / "a.tar", [("a.wav", b"1")])
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes()))
        (tmp_path / "a.tar").unlink()
        subprocess.run(problem.rpartition(": ")[2], shell=True, cwd=tmp_path, check=True)
        assert read_index(str(tmp_path / "a.tar")).names.to_pylist() == ["a.wav"]


def test_other_files_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "wav.tar").write_bytes(b"RIFF" * 999)
    (tmp_path / "gzip.tar").write_bytes(gzip.compress(b"1" * 9999))
    tarfile.open(tmp_path / "none.tar", "w").close()
    expected = {name: read_index(str(tmp_path / f"{name}.tar")).problem for name in ("wav", "gzip", "none", "absent")}
    assert "it begins with b'RIFFRIFF'" in str(expected["wav"])
    assert "packed by gzip" in str(expected["gzip"])
    assert expected["none"] is None
    assert "no such file" in str(expected["absent"])


def test_any_damage_ends_with_an_index(tmp_path: Path) -> None:
    """Of the headers: names, sizes, kinds, the attributes of PAX.  None takes long, or more memory than it has."""
    whole = pack(tmp_path / "a.tar", [(LONG, b"1" * 99), ("b.wav", b"2"), ("c.wav", b"3" * 600)])
    dice = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole[: 7 * 512])
        block = 512 * int(dice.integers(7))
        for _ in range(int(dice.integers(1, 4))):
            at = block + int(dice.choice([int(dice.integers(512)), int(dice.integers(124, 136)), 156]))
            data[at] = int(dice.choice([0x80, 0xFF, 0x30, 0x37, 0x78, 0x53, 0x4C, int(dice.integers(256))]))
        header = bytes(data[block : block + 148]) + b" " * 8 + bytes(data[block + 156 : block + 512])
        data[block + 148 : block + 156] = b"%06o\0 " % sum(header)  # so that the header counts
        (tmp_path / "b.tar").write_bytes(data)
        began = time.process_time()  # what else the machine does must not count
        index = read_index(str(tmp_path / "b.tar"))
        assert (np.diff(index.begins) > 0).all()
        assert (index.begins + index.sizes)[index.kinds == Kind.FILE].max(initial=0) <= len(data)
        assert index.problem is None or "\n" not in index.problem
        assert time.process_time() - began < 2


def test_only_headers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path / "a.tar", [(f"{number}.wav", bytes(1 << 20)) for number in range(9)])
    num_bytes = 0
    real = store.open_input

    def counted(url: str) -> BinaryIO:
        class Counting:
            def __init__(self) -> None:
                self.file = real(url)

            def read(self, size: int) -> bytes:
                nonlocal num_bytes
                num_bytes += size
                return self.file.read(size)

            def __enter__(self) -> "Counting":
                return self

            def __exit__(self, *_: object) -> None:
                self.file.close()

            def __getattr__(self, name: str) -> object:
                return getattr(self.file, name)

        return Counting()  # type: ignore[return-value]

    monkeypatch.setattr(store, "open_input", counted)
    assert len(read_index(str(tmp_path / "a.tar")).names) == 9
    assert num_bytes < 9 * 2 * 1024 + (1 << 20) + 1024  # and the search behind the end mark


@pytest.mark.campaign
def test_a_hundred_thousand_members_in_bounded_memory(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for number in range(100_000):
            add(tar, f"clips/{number:06}.flac", b"1")
            tar.members = []  # type: ignore[attr-defined]
    assert os.stat(tmp_path / "a.tar").st_size > 100_000 * 1024
    began = time.process_time()
    index = read_index(str(tmp_path / "a.tar"))
    assert time.process_time() - began < 30
    assert len(index.names) == 100_000
    assert index.names.nbytes + index.begins.nbytes + index.sizes.nbytes < 6 << 20
    del index
    tracemalloc.start()
    try:
        read_index(str(tmp_path / "a.tar"))
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
