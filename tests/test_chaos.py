"""Exactly once, whatever is killed and whenever: drivers, workers, nodes, the S3 server; and over a bad network.

The workers encode without torch (tests/jobs/embedding/light_worker.py): many are started.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import soundfile
import yaml

from embed import tables
from embed.archive.manifest import list_assets
from embed.dataset import open_dataset
from embed.dataset.runs import newest_runs
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.model.handle import resolve_model
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import words_of
from embed.segmentation.units import plan_units
from embed.spec import EmbedSpec
from embed.stages import EncodeUnits, cut_stage
from embed.storage.store import join, write_bytes
from jobs.demo.demo_material import voice
from jobs.operate.verify import verify
from tests.chaos_cluster import FOLDS_SOON, WORKERS, Nodes, Place, added, driver, kill
from tests.chaos_kills import DRIVER, EMBEDDING, FOLDING, NODE, STORAGE, VICTIMS, WORKER, Kill, Witness, kills
from tests.fault_proxy import Asked, Fault, by_seed
from tests.jobs.embedding.light_worker import light_encoder

pytestmark = [pytest.mark.chaos, pytest.mark.s3, pytest.mark.timeout(1800)]

BUCKET = "s3://test"
PARAGRAPHS, IN_UNIT = 400, 5  # of texts: 80 units
ENDS_WITHIN_S = 240
SEEDS, AT_LEAST = 12, 24  # of four kills each, some of which come too late to meet anything


class Archive(NamedTuple):
    spec: EmbedSpec
    units: int
    rows: pa.Table  # of a plain loop that nothing has disturbed


@pytest.fixture(scope="module")
def archive(place: Place, tiny_model: str) -> Archive:
    """Eighty units of text in four files, and three of speech in two recordings."""
    paragraphs = [f"Paragraph {number:04d} is short.\n\n" for number in range(PARAGRAPHS)]
    for part in range(4):
        text = "".join(paragraphs[part::4])
        write_bytes(join(BUCKET, "archive", f"text-{part}.txt"), text.encode())
    for number, length_s in enumerate((16, 7)):
        path = place.folder / f"voice-{number}.flac"
        soundfile.write(path, voice(length_s, number), SAMPLE_RATE)
        write_bytes(join(BUCKET, "archive", path.name), path.read_bytes())
    spec = EmbedSpec.parse(
        {
            "inputs": [{"url": f"{BUCKET}/archive", "name": "archive", "lang": "en"}],
            "output": "nowhere",
            "model": tiny_model,
            "device": "cpu",
            "workers": WORKERS,
            "segment": {"unit_s": 10},
            "passage": {"unit_bytes": IN_UNIT * len(paragraphs[0])},
        }
    )
    return Archive(spec, *undisturbed(spec))


def undisturbed(spec: EmbedSpec) -> tuple[int, pa.Table]:
    """How many units there are, and their rows, by a plain loop."""
    encoder, words = light_encoder(spec.model), words_of(resolve_model(spec.model).spec.text.name)
    cutting = Cutting(spec.segment, spec.passage, words.digest)
    units = plan_units(list_assets(spec.inputs), cutting)
    found: list[pa.Table] = []
    encode = EncodeUnits(encoder, lambda rows, ledger, failures: found.append(rows))
    for number in range(units.num_rows):
        encode(cut_stage(cutting, words).run(units.slice(number, 1)))
    schema = tables.rows(encoder.dims[0])
    return units.num_rows, pa.concat_tables([rows.cast(schema) for rows in found]).sort_by("segment_id")


@pytest.fixture(scope="module")
def cluster(head: Nodes) -> Iterator[Nodes]:
    with added(head, *WORKERS * [{}]) as nodes:
        yield nodes


class Struck(NamedTuple):
    """A kill, and what had been started until then."""

    kill: Kill
    starts: int
    in_hand: int
    again: int


@dataclass
class Survived:
    """What a run has gone through."""

    seed: int
    struck: list[Struck]
    witness: Witness
    drivers: int
    took_s: float

    def __str__(self) -> str:
        """For people: the units that are begun again after a kill, until the next one, stand beside it."""
        again = [*(one.again for one in self.struck[1:]), self.witness.again]
        told = [
            f"\n    {one.kill}: {one.starts} starts before, {one.in_hand} in hand, {after - one.again} again after it"
            for one, after in zip(self.struck, again, strict=True)
        ]
        return (
            f"seed {self.seed}: {len(self.struck)} kills, {self.drivers} drivers, {self.witness.units} units,"
            f" {self.witness.again} again, {self.took_s:.0f} s{''.join(told)}"
        )


def survive(seed: int, archive: Archive, place: Place, cluster: Nodes) -> Survived:
    """Embed into a new place while this and that is killed, and prove that nothing of it can be seen."""
    spec, url = written(archive, place.folder, f"seed-{seed}")
    place.proxy.deal = witness = Witness(f"seed-{seed}", archive.units)
    survived, left, began = Survived(seed, [], witness, 0, 0.0), kills(seed), time.monotonic()
    code = -signal.SIGKILL
    while code == -signal.SIGKILL:
        survived.drivers += 1
        with driver(spec, cluster, program=FOLDS_SOON) as process:
            survived.struck += strike(process, left, witness, place, cluster)
            code = process.wait(ENDS_WITHIN_S)
        assert code in (0, -signal.SIGKILL), said(spec)
    place.proxy.deal = calm
    prove(url, archive)
    assert len(witness.committed) == len(witness.starts) == archive.units
    assert witness.again <= len(survived.struck) * WORKERS, witness.starts.most_common(10)
    survived.took_s = time.monotonic() - began
    return survived


def strike(
    process: "subprocess.Popen[bytes]", left: list[Kill], witness: Witness, place: Place, cluster: Nodes
) -> Iterator[Struck]:
    """The kills that a driver meets, until none is left or it is over; those that came are taken from the list."""
    while process.poll() is None and (one := witness.awaited(left, lambda: process.poll() is not None)):
        time.sleep(one.pause_s)
        if one.busy and one.stage in (EMBEDDING, FOLDING):
            witness.wait_until_busy(WORKERS)
        before = witness.starts.total(), witness.in_hand, witness.again
        if do(one, process, place, cluster):
            yield Struck(one, *before)


def do(one: Kill, process: "subprocess.Popen[bytes]", place: Place, cluster: Nodes) -> bool:
    """Kill, and start again what does not start by itself (drivers are the caller's); False if nothing is there."""
    workers = cluster.workers()
    if process.poll() is not None or (one.victim == WORKER and not workers):
        return False
    if one.victim == DRIVER:
        process.kill()
        process.wait()
    if one.victim == WORKER:
        kill(workers[one.which % len(workers)])
    if one.victim == NODE:
        cluster.kill_node(one.which)
        time.sleep(one.away_s)
        cluster.add_node()
    if one.victim == STORAGE:
        place.server.kill()
        time.sleep(one.away_s)
        place.server.start()
    return True


def prove(url: str, archive: Archive) -> None:
    """`deglu verify` finds nothing, and the rows are those of the plain loop, each once."""
    checked = verify(url)
    assert checked.exit_code == 0, checked.text()
    rows = open_dataset(url).table().sort_by("segment_id")
    others = [name for name in rows.column_names if name not in ("vector", "unit_id")]  # their size is for speed
    assert rows.select(others).equals(archive.rows.select(others))
    np.testing.assert_allclose(vectors(rows), vectors(archive.rows), atol=2e-3)
    assert pc.count_distinct(rows["segment_id"]).as_py() == rows.num_rows


def vectors(rows: pa.Table) -> FloatArray:
    flat = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(rows.num_rows, -1)


def written(archive: Archive, folder: Path, name: str, **changed: Any) -> tuple[Path, str]:
    """The file of the spec with an output of its own, and that output."""
    url = f"{BUCKET}/{name}"
    spec = archive.spec.model_copy(update={"output": url, **changed})
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json")), encoding="utf-8")
    return path, url


def calm(asked: Asked) -> Fault | None:
    return None


def said(spec: Path) -> str:
    return spec.with_suffix(".log").read_text(errors="replace")[-4000:]


@pytest.mark.cluster
def test_kills_are_not_to_be_seen_in_what_is_published(archive: Archive, place: Place, cluster: Nodes) -> None:
    survived = survive(10, archive, place, cluster)
    assert len(survived.struck) >= 2, survived  # of four: on a fast machine the others come too late


@pytest.mark.cluster
@pytest.mark.campaign
def test_twenty_kills_and_more(
    archive: Archive, place: Place, cluster: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    struck = Counter[str]()
    for seed in range(SEEDS):
        if struck.total() >= AT_LEAST and min(struck.values()) >= AT_LEAST / 8:
            break
        survived = survive(seed, archive, place, cluster)
        struck.update(one.kill.victim for one in survived.struck)
        with capsys.disabled():
            sys.stdout.write(f"\n{survived}\n")
    with capsys.disabled():
        sys.stdout.write(f"{struck.total()} kills: {dict(struck)}\n")
    assert struck.total() >= AT_LEAST
    assert set(struck) == set(VICTIMS)


@pytest.mark.cluster
@pytest.mark.campaign
def test_two_drivers_at_once_share_the_work(archive: Archive, place: Place, cluster: Nodes) -> None:
    spec, url = written(archive, place.folder, "both", workers=1)
    place.proxy.deal = witness = Witness("both", archive.units)
    with driver(spec, cluster, program=FOLDS_SOON) as first, driver(spec, cluster, program=FOLDS_SOON) as second:
        codes = [process.wait(ENDS_WITHIN_S) for process in (first, second)]
    place.proxy.deal = calm
    assert codes == [0, 0], said(spec)
    prove(url, archive)
    shares = [run.done.units for run in newest_runs(url, 2)]
    # Where they meet, both may have the same unit in hand, and the one before it.
    assert archive.units <= sum(shares) <= archive.units + 2, shares
    assert witness.again <= 2
    assert min(shares) > 0, shares


@pytest.mark.cluster
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(1, 6))])
def test_a_bad_network_is_not_to_be_seen_in_what_is_published(
    archive: Archive, place: Place, cluster: Nodes, seed: int
) -> None:
    """The first commit of a version is always answered by a lie; the other faults come as the seed has it."""
    fewer = archive.spec.passage.model_copy(update={"unit_bytes": 4 * archive.spec.passage.unit_bytes})
    spec, url = written(archive, place.folder, f"network-{seed}", workers=1, passage=fewer)
    others, before = by_seed(seed), Counter(place.proxy.dealt)

    def deal(asked: Asked) -> Fault | None:
        return Fault.FALSE_412 if asked.conditional and "/versions/" in asked.path else others(asked)

    place.proxy.deal = deal
    with driver(spec, cluster, program=FOLDS_SOON) as process:
        code = process.wait(ENDS_WITHIN_S)
    place.proxy.deal = calm
    assert code == 0, said(spec)
    prove(url, archive)
    dealt = place.proxy.dealt - before
    assert set(dealt) >= {Fault.SLOW_DOWN, Fault.RESET, Fault.DELAY, Fault.LOST_ANSWER, Fault.FALSE_412}
    assert 0.15 < 1 - dealt[None] / dealt.total() < 0.3, dealt
