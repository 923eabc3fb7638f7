"""Status of an index: what its audit found, next to what it promises, and what to do where a promise is broken."""

import json
from pathlib import Path

import pytest

from index.audit.counts import Counts, Kind
from index.audit.files import CountsFile
from index.parts.artifact import read_manifest
from jobs.__main__ import run
from jobs.operate.status import status
from tests.index.living import appended, built

USUAL, FILTERED = Kind(0.95, "2-10", False), Kind(0.95, "2-10", True)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    built(str(tmp_path / "index"), text=range(6))
    return str(tmp_path / "index")


def count(url: str, kinds: dict[Kind, tuple[int, float]]) -> None:
    """As a process would that audited so many questions of a kind, which found such a recall."""
    counts = Counts(asked=100_000, exact=20, dropped=3)
    for kind, (number, share) in kinds.items():
        for _ in range(number):
            counts.add(kind, share)
    CountsFile(url, read_manifest(url), 1).write(counts.document())


def test_before_any_audit_it_says_how(url: str) -> None:
    found = status(url)
    document = found.document()
    assert (document["version"], document["rows"], document["recall"]) == (1, 6, 0.99)
    assert (document["audit"]["since"], document["audit"]["found"], document["warnings"]) == (None, [], [])
    assert "version 1: 6 rows of data/vectors version 1, recall 0.99 by default" in found.text()
    assert "open_index(url, audit=0.001)" in found.text()


def test_a_kept_promise(url: str) -> None:
    count(url, {USUAL: (600, 1.0), FILTERED: (200, 0.9)})
    found = status(url)
    whole, plain, filtered = found.document()["audit"]["found"]
    assert (whole["promised"], whole["questions"], whole["recall"]) == (0.95, 800, pytest.approx(0.975))
    assert (plain["filtered"], filtered["filtered"], filtered["broken"]) == (False, True, True)
    lines = found.text().splitlines()
    assert "800 of 100,000 questions since" in lines[1]
    assert "20 more had read every row, 3 were dropped, 0 failed" in lines[1]
    assert lines[2].startswith("recall   promised 0.95: found 0.9750, at least 0.9")
    assert lines[3].startswith("recall     2-10 hits, without a filter: found 1.0000")
    # All together keep the promise; those with a filter do not.
    assert "200 audited questions (2-10 hits, with a filter) find at most 0.9" in lines[5]
    assert json.loads(json.dumps(found.document())) == found.document()


def test_a_broken_promise_names_the_cure(url: str) -> None:
    count(url, {USUAL: (300, 0.8)})
    (warning,) = status(url).document()["warnings"]
    assert "recall 0.95 was promised, and 300 audited questions find at most 0.8" in warning
    assert "`deglu index SPEC --new-version --set questions=FILE`" in warning
    appended(url, text=range(8))
    assert not status(url).document()["warnings"]  # of another version


def test_a_damaged_file_is_named(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    count(url, {USUAL: (300, 0.96)})
    count(url, {USUAL: (300, 0.96)})
    first = min(Path(url, "audit").iterdir())
    first.write_bytes(b"{")
    assert run(["status", url, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["audit"]["damaged"] == [str(first)]
    assert document["audit"]["audited"] == 300
    assert run(["status", url]) == 0
    assert f"damaged  {first} was left out; remove it" in capsys.readouterr().out
