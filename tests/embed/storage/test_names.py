"""Names in stored JSON that would lead out of their folder are refused."""

import pytest

from embed.storage.names import plain_name, plain_path


@pytest.mark.parametrize("name", ["rows-speech-0a1b", "rows.f16.npy", "é.parquet"])
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert plain_name(name) == name
    assert plain_path(f"data/{name}") == f"data/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\0b", "s3:", "../../victim", "/etc"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no plain name"):
        plain_name(name)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "data/../../victim", "data//x", "s3://other/x", "data/"])
def test_paths_out_of_the_folder_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no plain name"):
        plain_path(path)
