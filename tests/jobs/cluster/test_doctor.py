"""`deglu doctor`: on this machine, and on a cluster of machines of which one is not like the others."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from embed.errors import DegluError, InputError, SpecError
from jobs.cluster import doctor as module
from jobs.cluster.doctor import doctor
from jobs.cluster.handshake import MARK
from jobs.cluster.machine_report import PACKAGES
from jobs.command.doors import OWN_FIELDS, verb_of

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


@pytest.fixture
def spec(tmp_path: Path, tiny_model: str) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "news.txt").write_text("the rain came early\n")
    values = {"inputs": [{"url": str(tmp_path / "in")}], "output": str(tmp_path / "out"), "model": tiny_model}
    path = tmp_path / "embed.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_this_machine_is_well_and_nothing_is_left(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    result = doctor(str(spec))
    assert result.exit_code == 0, result.text()
    (machine,) = json.loads(json.dumps(result.document()))["machines"]
    assert set(machine["proofs"].values()) == {""}
    assert (set(machine["packages"]), machine["memory_available_bytes"] > 0) == (set(PACKAGES), True)
    head, *row, last = result.text().splitlines()  # a long name of a folder takes several lines
    assert head.split() == ["MACHINE", "DEGLU", "PYTHON", "DEVICE", "MODEL", "STORAGE", "DISK", "MEMORY", "CACHE"]
    assert row[0].split().count("ok") == 2
    assert last == f"{machine['machine']} can run a worker"
    assert not list((spec.parent / "out").glob(f"{MARK}*"))


def test_the_driver_itself_must_have_what_the_spec_names(spec: Path) -> None:
    with pytest.raises(SpecError, match="is neither a released one"):
        doctor(str(spec), overrides=["model=/nowhere/model"])
    with pytest.raises(InputError, match=r"^inputs\.0\.url = /nowhere/in: there is no such file"):
        doctor(str(spec), overrides=["inputs.0.url=/nowhere/in"])
    with pytest.raises(DegluError, match=r"news\.txt"):
        doctor(str(spec), overrides=[f"output={spec.parent / 'in' / 'news.txt'}"])


def test_a_fault_is_named_with_its_machine_and_the_exit_code_is_1() -> None:
    well: dict[str, Any] = {"machine": "10.0.0.2 (a)", "deglu": "0.1.0 (aa)", "python": "3.11.7", "device": "cpu"}
    well |= {"packages": {"torch": "2.9"}, "disk_free_bytes": 5 * 10**9, "memory_available_bytes": 10**9}
    proofs = {"deglu": "", "model": "", "storage": "", "room": "", "device": ""}
    ill = {**well, "machine": "10.0.0.3 (b)", "packages": {"torch": "2.8"}}
    silent = {"machine": "10.0.0.4", "proofs": {"deglu": "it does not answer"}}
    faults = {**proofs, "model": "other weights are there"}
    result = module._result([{**well, "proofs": proofs}, {**ill, "proofs": faults}, silent])
    assert (result.exit_code, result.document()["exit_code"]) == (1, 1)
    assert result.text().splitlines()[4:] == [
        "fault    10.0.0.3 (b), model: other weights are there",
        "fault    10.0.0.4, deglu: it does not answer",
        "notice   torch differs: 2.9 on 10.0.0.2 (a); 2.8 on 10.0.0.3 (b)",
        "1 of 3 machines can run a worker",
    ]


def test_the_document_of_a_clusters_job_is_read_from_the_end_of_its_log() -> None:
    document = json.dumps({"machines": [{"machine": "a", "proofs": {}}], "exit_code": 0}, indent=2)
    assert module._printed(f"{{\nsomething of Ray\n{document}\n", "here")[0]["machine"] == "a"
    for log, line in {"": "it printed nothing", "INFO\ndeglu: spec.yaml: wrong\n": "spec.yaml: wrong"}.items():
        with pytest.raises(DegluError, match=f"^job 7 failed: {line}$"):
            module._printed(log, "job 7")


def test_a_spec_is_known_by_its_fields(tmp_path: Path) -> None:
    for path in (DEPLOY / "specs").glob("*.yaml"):
        assert verb_of(str(path)) == path.name.partition("-")[0]
    assert set(OWN_FIELDS) == {"train", "embed", "index", "evaluate"}
    (tmp_path / "other.yaml").write_text("name: x\n")
    with pytest.raises(SpecError, match=r"other\.yaml: no spec of a job: it has none of the fields encoder, inputs"):
        verb_of(str(tmp_path / "other.yaml"))


def test_inside_a_cluster_every_machine_is_asked(
    ray_session: None, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the job that `--address` starts; the session of the tests has one machine."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # joined already
    result = doctor(str(spec))
    assert result.exit_code == 0, result.text()
    (machine,) = result.document()["machines"]
    assert machine["machine"].startswith("127.0.0.1 (")
    assert machine["device"] == "cpu"
