"""Taking an asset down, and what is said of it."""

import json

import pytest

from embed.dataset import open_dataset
from embed.dataset.publish import publish
from embed.errors import InputError
from jobs.__main__ import run
from jobs.operate.forget_asset import forget
from tests.embed.vectors import begin, commit, manifest


@pytest.fixture
def url(storage_url: str) -> str:
    """Version 1 has a (two rows) and b (one row)."""
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    commit(job, "b", "three")
    publish(job, manifest("a", "b"))
    return job.url


def test_an_asset_is_hidden_and_then_purged(url: str) -> None:
    found = forget(url, ["demo/a", "demo/a"])
    document = found.document()
    assert (document["version"], document["forgotten"], document["forgotten_before"]) == (2, ["demo/a"], [])
    assert (document["rows_hidden"], document["rows"], document["versions_removed"]) == (2, 1, [])
    assert found.text().splitlines() == [
        f"{url} version 2: 1 vector left",
        "forgotten 1 asset now, 2 vectors hidden",
        f"kept      the bytes stay in older files until: deglu forget {url} --compact",
    ]
    again = forget(url, ["demo/a"], compact=True)
    assert again.document()["forgotten_before"] == ["demo/a"]
    assert again.document()["versions_removed"] == [1, 2]
    assert again.text().splitlines() == [
        f"{url} version 3: 1 vector left",
        "before    1 asset forgotten already: demo/a",
        "purged    no file contains a forgotten asset; deleted with their bytes: versions 1, 2",
        f"check     deglu verify {url}",
    ]
    assert open_dataset(url).table(["text"])["text"].to_pylist() == ["three"]


def test_a_uri_that_never_was_here_changes_nothing(url: str) -> None:
    with pytest.raises(InputError, match="no asset 'demo/x' was ever listed here"):
        forget(url, ["demo/a", "demo/x"])
    assert open_dataset(url).info.number == 1


def test_the_verb(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["forget", url]) == 2
    assert "nothing to forget: give --asset URI, or --compact" in capsys.readouterr().err
    assert run(["forget", url, "--asset", "demo/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forgotten"] == ["demo/b"]
