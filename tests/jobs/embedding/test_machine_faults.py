"""GPUs of a cluster, and machines at fault: each is given up by name, and no unit is ever blamed for it."""

import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from embed.dataset import open_dataset
from embed.dataset.job import read_job
from embed.dataset.log import versions
from embed.dataset.runs import newest_runs
from embed.dataset.staging import attempts, staged
from jobs.cluster.handshake import MODEL, File, Terms, Weights
from jobs.operate.verify import verify
from tests.chaos_cluster import AS_IT_IS, Nodes, added, driver
from tests.jobs.embedding.faulty_machines import COMMIT, FAULT, IMPORT, NOT_INSTALLED, START, other
from tests.jobs.embedding.small_archive import spec_of, written
from tests.towers import Tiny, encoder_values, model_in

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

REAL = "from tests.jobs.embedding.faulty_machines import with_logical_gpus; with_logical_gpus()"
LOGICAL = """
from tests.jobs.embedding.faulty_machines import LightOnAFullDisk, with_logical_gpus
with_logical_gpus(LightOnAFullDisk)
"""
PARAGRAPHS = 40
ENDS_WITHIN_S = 240


class Cluster(NamedTuple):
    nodes: Nodes
    fault: Path  # of the second machine


@pytest.fixture(scope="module")
def cluster(head: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two machines with a logical GPU each; the second can be at fault."""
    folder = tmp_path_factory.mktemp("machines")
    (folder / "sitecustomize.py").write_text(NOT_INSTALLED)
    (folder / "fault").write_text("")
    machine = {"num_cpus": 2, "num_gpus": 1}
    at_fault = {**machine, "env_vars": {FAULT: str(folder / "fault"), "PYTHONPATH": str(folder)}}
    with added(head, machine, at_fault) as found:
        yield Cluster(found, folder / "fault")


class Ended(NamedTuple):
    code: int
    log: str
    url: str


def embed(cluster: Cluster, folder: Path, model: str, fault: str, program: str = LOGICAL, **changed: Any) -> Ended:
    """`deglu embed` of forty units on both machines."""
    (folder / "in").mkdir()
    paragraphs = [f"Paragraph {number:02d} is short.\n\n" for number in range(PARAGRAPHS)]
    (folder / "in" / "some.txt").write_text("".join(paragraphs), encoding="utf-8")
    few = {"passage": {"unit_bytes": len(paragraphs[0])}, "workers": 2, "device": "gpu", **changed}
    path, url = written(folder, spec_of(folder / "in", folder / "out", model, **few)), str(folder / "out")
    cluster.fault.write_text(fault)
    with driver(path, cluster.nodes, program=program) as process:
        code = process.wait(ENDS_WITHIN_S)
    return Ended(code, path.with_suffix(".log").read_text(errors="replace"), url)


def whole(ended: Ended) -> None:
    """All units are embedded, none is a failure, and none was suspected."""
    assert ended.code == 0, ended.log
    data = open_dataset(ended.url)
    assert len(set(data.table()["segment_id"].to_pylist())) == data.info.rows == PARAGRAPHS
    assert (data.failures().num_rows, newest_runs(ended.url, 1)[0].device) == (0, "gpu")
    assert "alone" not in ended.log


def given_up(ended: Ended, cause: str) -> None:
    assert re.findall(r"machine [\d.]+ \(\S+\) is given up: (.*)", ended.log) == [cause], ended.log


def test_gpus_are_taken_and_a_machine_that_cannot_start_a_worker_is_given_up(
    cluster: Cluster, tmp_path: Path, tiny_model: str
) -> None:
    ended = embed(cluster, tmp_path, tiny_model, START)
    whole(ended)
    given_up(ended, "no space is left on its disk: free some")


def test_each_kind_of_machine_that_is_not_like_the_drivers_is_given_up(
    cluster: Cluster, tmp_path: Path, tiny_model: str
) -> None:
    """One driver asks for each kind in turn: the handshake of a job, without the job."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    shutil.copytree(tiny_model, tmp_path / "other")
    with (tmp_path / "other" / "fusion.safetensors").open("r+b") as weights:
        weights.seek(-4, 2)
        weights.write(b"\0\0\x80\x3f")
    terms = Terms(
        (Weights.of(MODEL, "model", tiny_model),),
        (File.of("output", str(tmp_path / "out" / "file")), File.of("inputs", str(tmp_path / "in" / "file"))),
        (("output", str(tmp_path / "out")),),
    )
    kinds = {
        "": "",
        other(tiny_model, str(tmp_path / "other")): f"model = {tmp_path / 'other'}: other weights are there",
        other(tiny_model, str(tmp_path / "nowhere")): "is neither a released one",
        other(str(tmp_path / "out"), str(tmp_path / "own")): f"output: {tmp_path / 'own' / 'file'} is missing there",
        other(str(tmp_path / "in"), str(tmp_path / "out")): "inputs: .* has other contents there",
        other(terms.installed, "0.0.9 (0)"): r"Deglu .* is installed there, and the driver has 0\.0\.9 \(0\)",
    }
    # A driver of its own for the last: no process there has loaded Deglu before.
    for some in (kinds, {IMPORT: "Deglu cannot be loaded there"}):
        for note, cause in zip(asked(cluster, tmp_path, terms, list(some)), some.values(), strict=True):
            wanted = rf"machine [\d.]+ \(\S+\) is given up: .*{cause}.*\n" if cause else ""
            assert re.fullmatch(wanted, note), f"{cause}: {note}"


def asked(cluster: Cluster, folder: Path, terms: Terms, kinds: list[str]) -> list[str]:
    """The notes of a driver that asks the machines once for each kind."""
    (folder / "asked").write_bytes(pickle.dumps((cluster.fault, terms, kinds)))
    program = (
        "import pickle, pathlib, sys; from tests.jobs.embedding.faulty_machines import ask_for_each;"
        "ask_for_each(*pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()))"
    )
    command = [sys.executable, "-c", program, str(folder / "asked")]
    done = subprocess.run(command, env=cluster.nodes.environment, capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("---\n")[:-1]


@pytest.mark.campaign
def test_nothing_is_mixed_where_a_machine_has_other_weights(
    cluster: Cluster, tmp_path: Path, tiny_model: str, tiny: Tiny
) -> None:
    """A whole job: all rows are of the driver's model, by the other machine alone."""
    theirs = model_in(tmp_path / "theirs", {**encoder_values(tiny), "dims": [32, 16]})
    ended = embed(cluster, tmp_path, tiny_model, other(tiny_model, theirs))
    whole(ended)
    assert len(found := re.findall(r"is given up: (.*)", ended.log)) == 1, ended.log
    assert "other weights are there" in found[0]
    assert verify(ended.url).exit_code == 0


@pytest.mark.campaign
@pytest.mark.skipif(torch.cuda.is_available(), reason="torch finds a GPU here")
def test_without_a_machine_that_works_the_job_ends_with_the_causes_and_blames_no_unit(
    cluster: Cluster, tmp_path: Path, tiny_model: str
) -> None:
    """Ray offers GPUs that torch does not find: really so, on this machine."""
    ended = embed(cluster, tmp_path, tiny_model, "", AS_IT_IS)
    assert ended.code == 1
    last = ended.log.strip().splitlines()[-1]
    assert re.match(r"deglu: no machine is left that can run a worker\. [\d.]+ \(\S+\): torch", last)
    assert last.count("torch finds no GPU there, though Ray offers one: install a torch with CUDA") == 1
    assert ended.log.count("is given up: torch finds no GPU there") == 2
    assert "Nothing was recorded as a failure" in last
    job = read_job(ended.url)
    assert (versions(ended.url), staged(job)) == ([], [])
    assert max(attempts(job).values(), default=0) <= 1, "but for a cut that was on its way, nothing counts as a start"


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (COMMIT, "no space is left on its disk: free some"),
        (IMPORT, "Deglu cannot be loaded there"),
    ],
)
@pytest.mark.parametrize("ahead", [True, False], ids=["cut ahead", "cut by workers"])
def test_a_machine_that_fails_later_or_has_no_deglu_is_given_up(
    cluster: Cluster, tmp_path: Path, tiny_model: str, fault: str, cause: str, ahead: bool
) -> None:
    ended = embed(cluster, tmp_path, tiny_model, fault, cut_ahead=ahead)
    whole(ended)
    assert len(found := re.findall(r"is given up: (.*)", ended.log)) == 1, ended.log
    assert found[0].startswith(cause)


@pytest.mark.campaign
def test_the_vectors_are_those_of_a_machine_without_gpus(cluster: Cluster, tmp_path: Path, tiny_model: str) -> None:
    tables = []
    for device in ("gpu", "cpu"):
        (tmp_path / device).mkdir()
        ended = embed(cluster, tmp_path / device, tiny_model, "", REAL, device=device)
        assert ended.code == 0, ended.log
        tables.append(open_dataset(ended.url).table().sort_by("start"))
    assert tables[0]["text"].equals(tables[1]["text"])
    gpu, cpu = (np.asarray(table["vector"].to_pylist(), np.float32) for table in tables)
    np.testing.assert_allclose(gpu, cpu, atol=2e-3)
