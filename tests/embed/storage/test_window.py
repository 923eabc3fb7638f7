import io

import numpy as np
import pytest

from embed.storage import store
from embed.storage.s3 import S3Files
from embed.storage.window import Window, opened, window_of

DATA = np.random.default_rng(0).bytes(3 << 20)


@pytest.mark.parametrize("name", ["a.wav", "a b/é\n.wav", "", "x#at=1+2&member=y.wav", "https://z"])
@pytest.mark.parametrize("file", ["/a/b.tar", "s3://bucket/b.tar", "/a/b.tar#row=1"])
def test_the_url_of_a_window_names_it(name: str, file: str) -> None:
    window = Window(file, 512, 7, name)
    assert window_of(window.url) == window
    assert window_of(file) is None
    assert window.url.endswith(name)


def test_any_walk_reads_as_a_file_does() -> None:
    dice = np.random.default_rng(1)
    window = Window("", 1000, 1 << 20, "")
    one, plain = opened(io.BytesIO(DATA), window), io.BytesIO(DATA[window.begin : window.end])
    for _ in range(300):
        offset, whence, size = (
            int(dice.integers(0, window.size + 9)),
            int(dice.integers(3)),
            int(dice.integers(1 << 18)),
        )
        offset = {0: offset, 1: -min(offset % 99, plain.tell()), 2: -offset % window.size - window.size}[whence]
        assert one.seek(offset, whence) == plain.seek(offset, whence)
        assert one.read(size) == plain.read(size)
    one.seek(0)
    assert one.read() == plain.getvalue()


@pytest.mark.parametrize(("begin", "size"), [(0, 9), (5, 0), (700_000, 1_500_000), (len(DATA) - 9, 9)])
def test_a_window_of_a_stored_file(begin: int, size: int, storage_url: str) -> None:
    store.write_bytes(f"{storage_url}/a.tar", DATA)
    with store.open_input(Window(f"{storage_url}/a.tar", begin, size, "a.wav").url) as file:
        assert file.read() == DATA[begin : begin + size]
        assert file.seek(0, io.SEEK_END) == size


def test_a_file_that_has_become_shorter_ends_early(storage_url: str) -> None:
    store.write_bytes(f"{storage_url}/a.tar", DATA[:100])
    for begin, found in ((90, DATA[90:100]), (100, b""), (5000, b"")):
        with store.open_input(Window(f"{storage_url}/a.tar", begin, 50, "a.wav").url) as file:
            assert file.read() == found


@pytest.mark.s3
def test_only_the_bytes_of_a_window_are_requested(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_bytes(f"{s3_url}/a.tar", DATA)
    asked: list[str] = []
    real = S3Files._get

    def noted(self: S3Files, url: str, **about: str) -> object:
        asked.append(about["Range"])
        return real(self, url, **about)

    monkeypatch.setattr(S3Files, "_get", noted)
    for begin, size, requests in (
        (1000, 7000, ["bytes=1000-7999"]),
        (1000, 300_000, ["bytes=1000-263143", "bytes=263144-300999"]),
    ):
        with store.open_input(Window(f"{s3_url}/a.tar", begin, size, "a.wav").url) as file:
            assert file.read() == DATA[begin : begin + size]
        assert asked == requests
        asked.clear()
