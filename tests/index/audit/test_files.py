"""Files of an audit: one a process, merged; of this version alone; damaged ones named; in the cache where need be."""

from pathlib import Path

import pytest

from embed.errors import StorageError
from embed.storage import store
from index.audit.counts import Counts
from index.audit.files import CountsFile, read_audit
from index.parts.artifact import read_manifest
from tests.index.living import appended, built


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def url(tmp_path: Path) -> str:
    built(str(tmp_path / "index"), text=range(6))
    return str(tmp_path / "index")


def asked(number: int) -> dict[str, object]:
    return Counts(asked=number).document()


def test_several_processes_are_merged(url: str) -> None:
    manifest = read_manifest(url)
    assert read_audit(url, manifest).since is None
    one, other = CountsFile(url, manifest, 1), CountsFile(url, manifest, 2)
    one.write(asked(3))
    other.write(asked(4))
    one.write(asked(5))
    found = read_audit(url, manifest)
    assert (found.counts.asked, found.damaged) == (9, ())
    assert found.since is not None
    assert len(store.listing(url + "/audit")) == 2


def test_counts_belong_to_their_version(url: str) -> None:
    before = read_manifest(url)
    CountsFile(url, before, 1).write(asked(3))
    after = appended(url, text=range(8)).manifest
    assert read_audit(url, after).counts.asked == 0
    assert read_audit(url, before).counts.asked == 3
    other = before.model_copy(update={"lineage": before.lineage.model_copy(update={"version": 7})})
    assert read_audit(url, other).counts.asked == 0  # another index, built later at the same place


def test_damaged_files_are_left_out_and_named(url: str) -> None:
    manifest = read_manifest(url)
    for number in range(5):
        CountsFile(url, manifest, number).write(asked(1))
    cut, flipped, other, empty, _ = (Path(entry.url) for entry in store.listing(url + "/audit"))
    cut.write_bytes(cut.read_bytes()[:100])
    flipped.write_bytes(flipped.read_bytes().replace(b'"asked": 1', b'"asked": 9'))
    other.write_text("[1, 2]")
    empty.write_bytes(b"")
    found = read_audit(url, manifest)
    assert found.counts.asked == 1
    assert sorted(found.damaged) == sorted(map(str, (cut, flipped, other, empty)))


def test_an_index_that_cannot_be_written_is_audited_in_the_cache(
    url: str, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    manifest, write = read_manifest(url), store.write_bytes
    refused = [url]

    def read_only(place: str, data: bytes) -> None:
        if any(place.startswith(some) for some in refused):
            raise StorageError(f"{place}: cannot be written (Read-only file system)")
        write(place, data)

    monkeypatch.setattr(store, "write_bytes", read_only)
    file = CountsFile(url, manifest, 1)
    file.write(asked(2))
    file.write(asked(3))
    assert read_audit(url, manifest).counts.asked == 3
    assert not caplog.records
    refused.append(str(cache))
    file.write(asked(4))
    file.write(asked(5))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the counts of its audit cannot be kept" in caplog.text


def test_a_remote_index_is_audited_in_the_cache(url: str, cache: Path) -> None:
    manifest = read_manifest(url)
    CountsFile("s3://bucket/index", manifest, 1).write(asked(2))
    assert read_audit("s3://bucket/index/", manifest).counts.asked == 2
    assert read_audit("s3://bucket/other", manifest).counts.asked == 0
    assert [path.name[:8] for path in (cache / "index-audit").rglob("*.json")] == ["00000001"]
