"""A dataset goes on, its index follows: append, delete, compact and verify at the command's door."""

import json
from pathlib import Path

import pytest
import yaml

from embed.dataset.forget import forget
from embed.dataset.publish import publish
from embed.errors import FingerprintMismatch, InputError
from embed.storage.store import join
from index.parts.artifact import read_manifest
from index.spec import IndexSpec
from jobs.__main__ import run
from jobs.indexing.build_index import build_index
from jobs.indexing.update_index import append_rows, compact_index, delete_rows
from jobs.operate.verify import is_index, verify
from tests.embed.vectors import begin, commit, manifest


def grown(url: str, *names: str, encoder: str = "encoder-1") -> None:
    """The dataset holds three passages of each of these assets, and publishes."""
    job = begin(url, encoder)
    for name in names:
        commit(job, name, f"{name} one", f"{name} two", f"{name} three")
    publish(job, manifest(*names))


@pytest.fixture
def spec(tmp_path: Path) -> IndexSpec:
    vectors = str(tmp_path / "vectors")
    grown(vectors, "a.txt", "b.txt")
    made = IndexSpec(vectors=vectors, output=str(tmp_path / "index"), device="cpu")
    build_index(made)
    return made


def test_an_index_follows_its_dataset(spec: IndexSpec) -> None:
    grown(spec.vectors, "a.txt", "b.txt", "c.txt")
    forget(spec.vectors, ["demo/a.txt"])
    told = append_rows(spec)
    document = told.document()
    assert (document["added"], document["removed"]) == ({"text": 3}, {"forgotten": {"text": 3}})
    assert (document["rows"], document["vectors_version"], document["published"]) == (6, 3, True)
    assert (document["version"], document["merged"], document["segments"]) == (3, True, 1)
    assert told.text().splitlines() == [
        f"{spec.output} version 3: 6 rows",
        "added     3 text rows",
        "removed   3 text rows, forgotten",
        "merged    small segments into larger ones",
        "kept      the bytes stay in files until: deglu index SPEC --compact",
    ]
    again = append_rows(spec)
    assert (again.document()["published"], again.document()["merged"]) == (False, False)
    assert again.text().splitlines()[1] == f"unchanged it has all rows of {spec.vectors} version 3"


def test_rows_are_deleted_and_then_gone(spec: IndexSpec) -> None:
    told = delete_rows(spec, "text = 'a.txt two' or uri = 'demo/b.txt'")
    assert told.document()["removed"] == {"deleted": {"text": 4}}
    assert told.text().splitlines()[1:] == [
        "removed   4 text rows, deleted",
        "kept      the bytes stay in files until: deglu index SPEC --compact",
    ]
    with pytest.raises(InputError, match="no row matches"):
        delete_rows(spec, "text = 'a.txt two'")
    told = compact_index(spec)
    assert told.document()["versions_removed"] == [1, 2]
    assert told.text().splitlines()[1:] == [
        "deleted   versions 1, 2, with all their own files",
        f"check     deglu verify {spec.output}",
    ]
    assert "unchanged there are no bytes to delete" in compact_index(spec).text()
    append_rows(spec)
    assert read_manifest(spec.output).rows == 2


def test_vectors_of_another_encoder_are_refused(spec: IndexSpec) -> None:
    grown(spec.vectors, "a.txt", encoder="encoder-2")
    with pytest.raises(
        FingerprintMismatch, match=r"of encoder encoder-1, .* now has rows of encoder encoder-2; build it"
    ):
        append_rows(spec)


@pytest.mark.s3
def test_on_s3_as_on_a_disk(s3_url: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    vectors = join(s3_url, "live-vectors")
    grown(vectors, "a.txt")
    spec = IndexSpec(vectors=vectors, output=join(s3_url, "live-index"), device="cpu")
    build_index(spec)
    grown(vectors, "a.txt", "b.txt")
    append_rows(spec)
    delete_rows(spec, "uri = 'demo/a.txt'")
    compact_index(spec)
    told = verify(spec.output)
    assert (told.exit_code, read_manifest(spec.output).rows) == (0, 3)
    assert "3 removed rows, 0 forgotten assets: in no file, proven" in told.text()


def test_the_command_line(spec: IndexSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "index.yaml"
    path.write_text(yaml.safe_dump({"vectors": spec.vectors, "output": spec.output}))
    assert run(["index", str(path), "--delete", "start = 0", "--compact"]) == 2
    assert "--delete and --compact cannot be combined: give one, then the other" in capsys.readouterr().err
    assert run(["index", str(path), "--delete", "uri = 'demo/a.txt'", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == {"deleted": {"text": 3}}
    assert run(["index", str(path), "--delete", "uri = demo"]) == 2
    assert "--delete: unknown column demo: did you mean uri = 'demo'?" in capsys.readouterr().err
    assert run(["index", str(path), "--delete", "text = 'b.txt two'"]) == 0
    assert f"until: deglu index {path} --compact" in capsys.readouterr().out
    assert run(["index", str(path), "--append"]) == 0
    assert run(["index", str(path), "--compact"]) == 0
    assert run(["verify", spec.output]) == 0
    assert "whole: every check passed" in capsys.readouterr().out


def test_what_lies_at_a_url(spec: IndexSpec, tmp_path: Path) -> None:
    assert (is_index(spec.output), is_index(spec.vectors), is_index(str(tmp_path / "nowhere"))) == (True, False, False)
