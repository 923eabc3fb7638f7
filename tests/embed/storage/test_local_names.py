import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.storage.local_names import path_of, url_of


@given(st.one_of(st.binary(), st.text(r"\x5c9e/é").map(str.encode)))
def test_names_and_urls_are_one_to_one(name: bytes) -> None:
    path = os.fsdecode(name)
    assert path_of(url_of(path)) == path
    url_of(path).encode()


@pytest.mark.parametrize("name", [" a b.wav ", "100%.wav", "%E9.wav", "émission.wav", r"sub\x.wav", r"C:\x12\a.wav"])
def test_names_of_text_are_their_own_urls(name: str) -> None:
    assert url_of(name) == path_of(name) == name


@pytest.mark.parametrize(
    ("name", "url"), [(b"\xe9mission.txt", r"\xe9mission.txt"), (rb"\xe9mission.txt", r"\x5cxe9mission.txt")]
)
def test_bytes_and_what_looks_like_them(name: bytes, url: str) -> None:
    assert url_of(os.fsdecode(name)) == url
