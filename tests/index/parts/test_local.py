"""Parts of an index, local and on S3: found, fetched and hashed once, refused when they are not what was published."""

import time
from pathlib import Path

import pytest

from embed.errors import StorageError
from embed.storage import store
from index.parts.artifact import FileEntry, PartEntry, part_url
from index.parts.checked import FRESH_S
from index.parts.local import describe, part_folder

CONTENT = {"rows.f16.npy": b"rows and rows", "provenance.parquet": b"where they came from"}
CURE = r"run the same `deglu index SPEC` again, which repairs it"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def part(storage_url: str, tmp_path: Path) -> PartEntry:
    """The part `rows-text-1` at `storage_url`."""
    entries = {}
    for name, data in CONTENT.items():
        (tmp_path / name).write_bytes(data)
        entries[name] = describe(tmp_path / name)
        store.write_bytes(store.join(part_url(storage_url, "rows-text-1"), name), data)
    return PartEntry(name="rows-text-1", files=entries)


def _harm(file: str, harm: str) -> None:
    data = store.read_bytes(file)
    if harm == "gone":
        store.delete([file])
    else:
        store.write_bytes(file, data[:-1] + (bytes([data[-1] ^ 1]) if harm == "a bit flipped" else b""))


def test_found_whole(storage_url: str, part: PartEntry) -> None:
    folder = part_folder(storage_url, part)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("harm", ["a bit flipped", "cut short", "gone"])
def test_damage_is_named(harm: str, name: str, storage_url: str, part: PartEntry) -> None:
    _harm(store.join(part_url(storage_url, part.name), name), harm)
    with pytest.raises(StorageError, match=rf"{name}: .*(damaged|missing|bytes where).*; {CURE}"):
        part_folder(storage_url, part)


def test_local_files_stay_where_they_are(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "parts" / "a").mkdir(parents=True)
    (tmp_path / "parts" / "a" / "file").write_bytes(b"1")
    entry = PartEntry(name="a", files={"file": describe(tmp_path / "parts" / "a" / "file")})
    assert part_folder(str(tmp_path), entry) == tmp_path / "parts" / "a"
    assert not (cache / "index-parts").exists()


def test_a_bit_flipped_after_it_was_found_good(tmp_path: Path) -> None:
    file = tmp_path / "parts" / "a" / "file"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    entry = PartEntry(name="a", files={"file": describe(file)})
    time.sleep(FRESH_S * 1.1)
    part_folder(str(tmp_path), entry)
    _harm(str(file), "a bit flipped")
    with pytest.raises(StorageError, match="file: damaged"):
        part_folder(str(tmp_path), entry)


def test_what_was_found_good_is_not_hashed_again(tmp_path: Path) -> None:
    file = tmp_path / "parts" / "a" / "file"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(50_000_000))
    entry = PartEntry(name="a", files={"file": describe(file)})
    time.sleep(FRESH_S * 1.1)
    spent = []
    for _ in range(2):
        began = time.process_time()
        part_folder(str(tmp_path), entry)
        spent.append(time.process_time() - began)
    assert spent[1] < spent[0] / 5
    file.unlink()


def test_sizes_alone_are_compared_where_it_is_so_wished(tmp_path: Path) -> None:
    (tmp_path / "parts" / "a").mkdir(parents=True)
    (tmp_path / "parts" / "a" / "file").write_bytes(b"1")
    entry = PartEntry(name="a", files={"file": FileEntry(bytes=1, sha256="0" * 64)})
    assert part_folder(str(tmp_path), entry, verify=False).is_dir()
    with pytest.raises(StorageError, match="file: damaged"):
        part_folder(str(tmp_path), entry)
    (tmp_path / "parts" / "a" / "file").write_bytes(b"12")
    with pytest.raises(StorageError, match="2 bytes where the manifest says 1"):
        part_folder(str(tmp_path), entry, verify=False)


@pytest.mark.s3
@pytest.mark.parametrize("storage_url", ["s3"], indirect=True)
def test_a_remote_part_is_fetched_once(storage_url: str, cache: Path, part: PartEntry) -> None:
    part_folder(storage_url, part)
    store.delete([store.join(part_url(storage_url, part.name), name) for name in CONTENT])
    folder = part_folder(storage_url, part)
    assert folder == cache / "index-parts" / "rows-text-1"
    assert sorted(path.name for path in folder.iterdir()) == sorted(CONTENT)


@pytest.mark.s3
@pytest.mark.parametrize("storage_url", ["s3"], indirect=True)
def test_a_damaged_part_leaves_no_copy(storage_url: str, cache: Path, part: PartEntry) -> None:
    file = store.join(part_url(storage_url, part.name), "rows.f16.npy")
    _harm(file, "a bit flipped")
    with pytest.raises(StorageError, match=rf"{file}: truncated or damaged"):
        part_folder(storage_url, part, verify=False)
    assert not (cache / "index-parts" / part.name).exists()
    store.write_bytes(file, CONTENT["rows.f16.npy"])
    assert part_folder(storage_url, part).is_dir()


@pytest.mark.s3
@pytest.mark.parametrize("storage_url", ["s3"], indirect=True)
def test_a_damaged_copy_says_what_to_remove(storage_url: str, part: PartEntry) -> None:
    folder = part_folder(storage_url, part)
    (folder / "rows.f16.npy").write_bytes(b"short")
    with pytest.raises(StorageError, match=f"5 bytes where the manifest says 13; remove {folder}, it is fetched again"):
        part_folder(storage_url, part)
