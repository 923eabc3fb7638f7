import multiprocessing
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from embed.errors import DegluError, InputError, SpecError, StorageError
from embed.storage import store
from embed.storage.local import LocalFiles

SECRET = "testsecret"


def test_bytes_come_back_as_written(storage_url: str) -> None:
    url = store.join(storage_url, "a", "b.bin")
    store.write_bytes(url, b"one")
    store.write_bytes(url, b"two")
    assert store.read_bytes(url) == b"two"
    assert store.exists(url)
    assert not store.exists(store.join(storage_url, "a"))
    assert not store.exists(store.join(storage_url, "nothing"))


def test_a_listing_has_every_object_once_in_order_and_no_folders(storage_url: str) -> None:
    for name in ("b/2.x", "a.x", "b/1.y", "b/c/3.x", "b.x"):
        store.write_bytes(store.join(storage_url, name), name.encode())
    names = [entry.url.removeprefix(storage_url) for entry in store.listing(storage_url)]
    assert names == ["/a.x", "/b.x", "/b/1.y", "/b/2.x", "/b/c/3.x"]
    below = store.listing(store.join(storage_url, "b"), suffix=".x")
    assert [(entry.url.removeprefix(storage_url), entry.size_bytes) for entry in below] == [
        ("/b/2.x", 5),
        ("/b/c/3.x", 7),
    ]
    assert all(entry.mtime for entry in below)
    assert store.listing(store.join(storage_url, "a.x"))[0].size_bytes == 3


def test_listings_are_never_stale(storage_url: str) -> None:
    first, second = store.join(storage_url, "1"), store.join(storage_url, "2")
    assert store.listing(storage_url) == []
    store.write_bytes(first, b"")
    assert [entry.url for entry in store.listing(storage_url)] == [first]
    store.write_bytes(second, b"")
    store.delete([first, first + "-never-was"])
    assert [entry.url for entry in store.listing(storage_url)] == [second]
    store.delete([second])
    assert store.listing(storage_url) == []


def test_an_input_can_be_read_from_any_place(storage_url: str) -> None:
    url = store.join(storage_url, "numbers")
    store.write_bytes(url, bytes(range(256)) * 10_000)
    with store.open_input(url) as stream:
        stream.seek(256 * 9_999 + 7)
        assert stream.read(3) == bytes([7, 8, 9])
        stream.seek(-1, 2)
        assert stream.read() == bytes([255])
        assert stream.seek(5) == stream.tell() == 5
        assert stream.read(2) == bytes([5, 6])


def test_many_are_fetched_in_the_order_asked(storage_url: str) -> None:
    urls = [store.join(storage_url, f"{number}") for number in range(20)]
    for number, url in enumerate(urls):
        store.write_bytes(url, bytes([number]))
    assert list(store.in_turn(store.read_bytes, reversed(urls), ahead=3)) == [
        bytes([number]) for number in reversed(range(20))
    ]


def test_a_scratch_file_moves_in_whole_or_leaves_nothing(storage_url: str, tmp_path: Path) -> None:
    url = store.join(storage_url, "file")
    with store.scratch(storage_url) as path:
        path.write_bytes(b"whole")
        assert store.listing(storage_url) == []
        store.move_in(path, url)
    with store.scratch(storage_url) as path:
        path.write_bytes(b"half")
    assert [entry.url for entry in store.listing(storage_url)] == [url]
    assert store.local_copy(url, tmp_path).read_bytes() == b"whole"


def test_only_the_first_creation_wins_and_knows_it(storage_url: str) -> None:
    url = store.join(storage_url, "versions", "1.json")
    assert store.create_exclusive(url, b"mine")
    assert not store.create_exclusive(url, b"another's")
    assert store.read_bytes(url) == b"mine"


def test_a_creation_whose_answer_was_lost_still_counts(storage_url: str) -> None:
    url = store.join(storage_url, "1.json")
    store.write_bytes(url, b"mine")  # As the server holds it after a PUT whose answer never came.
    assert store.create_exclusive(url, b"mine")


@pytest.mark.slow
def test_a_race_of_four_processes_has_one_winner(storage_url: str) -> None:
    url = store.join(storage_url, "1.json")
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        won = pool.starmap(store.create_exclusive, [(url, b"writer %d" % number) for number in range(4)], chunksize=1)
        pool.close()
        pool.join()
    assert sorted(won) == [False, False, False, True]
    assert store.read_bytes(url) == b"writer %d" % won.index(True)


def test_a_race_of_four_threads_has_one_winner_every_time(storage_url: str) -> None:
    for turn in range(3 if storage_url.startswith("s3") else 50):
        url = store.join(storage_url, f"{turn}")
        with ThreadPoolExecutor(4) as pool:
            won = list(pool.map(partial(store.create_exclusive, url), (b"%d" % number for number in range(4))))
        assert won.count(True) == 1
        assert store.read_bytes(url) == b"%d" % won.index(True)


def test_what_is_missing_is_named(storage_url: str) -> None:
    url = store.join(storage_url, "nothing")
    for read in (store.read_bytes, store.open_input):
        with pytest.raises(InputError, match="nothing: no such"):
            read(url)


@pytest.mark.parametrize("url", ["gs://bucket/a", "http://host/a", "file:///tmp/a", "", "s3://"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(SpecError, match="s3://bucket/path"):
        store.write_bytes(url, b"")


def test_absolute_keeps_s3_and_anchors_paths() -> None:
    assert store.absolute("s3://bucket/a/") == "s3://bucket/a"
    assert store.absolute("out") == str(Path.cwd() / "out")


def test_what_is_on_this_disk_has_a_path() -> None:
    assert store.local_path("out/a") == Path("out/a")
    assert store.local_path("/data/a") == Path("/data/a")
    assert store.local_path("s3://bucket/a") is None
    assert store.local_path("http://host/a") is None


class MemoryFiles(LocalFiles):
    """Another kind of storage: the folder `folder` instead of memory://bucket."""

    folder = Path()

    def read(self, url: str) -> bytes:
        return super().read(self._path(url))

    def write(self, url: str, data: bytes) -> None:
        super().write(self._path(url), data)

    def create(self, url: str, data: bytes) -> bool:
        return super().create(self._path(url), data)

    def _path(self, url: str) -> str:
        return str(self.folder / url.removeprefix("memory://"))


def test_another_kind_of_storage_is_a_line_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFiles, "folder", tmp_path)
    monkeypatch.setitem(store.REMOTE, "memory", store.Remote(MemoryFiles, "MEMORY_"))
    url = "memory://bucket/a"
    store.write_bytes(url, b"1")
    assert not store.create_exclusive(url, b"2")
    assert store.read_bytes(url) == b"1"
    assert store.absolute(url + "/") == url
    assert store.local_path(url) is None
    with pytest.raises(InputError, match="memory://bucket/b: no such"):
        store.read_bytes("memory://bucket/b")
    with pytest.raises(SpecError, match=r"the bucket is missing; write memory://bucket/path"):
        store.read_bytes("memory://")
    with pytest.raises(SpecError, match=r"nor s3://bucket/path nor memory://bucket/path; give"):
        store.read_bytes("gs://bucket/a")


def every_act(url: str) -> Iterator[DegluError]:
    """The error of each act at a place that cannot be used."""
    acts = (
        lambda: store.read_bytes(url),
        lambda: store.write_bytes(url, b"x"),
        lambda: store.create_exclusive(url, b"x"),
        lambda: store.listing(url),
        lambda: store.exists(url),
    )
    for act in acts:
        with pytest.raises(DegluError) as caught:
            act()
        yield caught.value


def is_one_clear_line(error: DegluError) -> bool:
    return isinstance(error, StorageError) and "\n" not in str(error) and SECRET not in str(error)


@pytest.mark.s3
def test_a_missing_bucket_is_one_clear_line(s3_server: str) -> None:
    for error in every_act("s3://missing/a/b"):
        assert is_one_clear_line(error)
        assert f"there is no bucket 'missing' at {s3_server}; create it" in str(error)


@pytest.mark.s3
@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_credentials_are_one_clear_line(s3_url: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "not-the-one")
    for error in every_act(store.join(s3_url, "a")):
        assert is_one_clear_line(error)
        assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(error)
        assert "not-the-one" not in str(error)


@pytest.mark.s3
def test_missing_credentials_are_one_clear_line(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no S3 credentials in the environment; set AWS_ACCESS_KEY_ID"):
        store.listing(s3_url)


@pytest.mark.s3
def test_an_unreachable_endpoint_is_one_clear_line(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", "0")
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.replace("//", f"//user:{SECRET}@"))
        with pytest.raises(StorageError, match=f"{endpoint} cannot be reached; check AWS_ENDPOINT_URL") as caught:
            store.read_bytes(s3_url + "/a")
    assert is_one_clear_line(caught.value)


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another"):
        store.write_bytes(str(tmp_path / "file" / "below"), b"")
