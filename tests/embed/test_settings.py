"""Settings of inputs that change: whatever changed, failed or was killed, a version is what a new output would be."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.changes import before_assets
from embed.dataset.job import Job, open_job, read_job
from embed.dataset.log import newest_version, place_after, versions
from embed.dataset.publish import publish, publish_draft
from embed.dataset.staging import commit_unit
from embed.dataset.version import Version, read_ledger, write_table
from embed.dataset.work_left import WorkLeft, failed_left, failures_so_far, list_archive, without_assets, work_left
from embed.identity import content_version
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.units import plan_units, planned_units
from embed.stages import EncodeUnits, cut_stage
from embed.storage import local
from embed.storage.numbered_log import create_entry
from embed.storage.store import listing
from embed.tables import FAILURES, FailureRow, LedgerRow, failure_row, ledger_row, rows
from embed.verify.verify import verify_version
from tests.embed.kills import KilledError, kill_after
from tests.embed.sounds import LETTERS, SEGMENT, Spectrum, tone, write_wave

Settings = dict[str, Any]
ROW = ("segment_id", "unit_id", "uri", "lang", "text", "metadata", "vector")


@dataclass
class Archive:
    """A folder with its output: what `deglu embed` and `deglu retry` do, in a for-loop, with an encoder of bands."""

    folder: Path
    url: str
    settings: Settings = field(default_factory=dict)
    passage: PassageSpec = field(default_factory=lambda: PassageSpec(max_tokens=60, overlap_tokens=0, unit_rows=2))
    ill: frozenset[str] = frozenset()  # uris whose units fail, as with a model that is out of memory
    embedded: list[str] = field(default_factory=list)  # uris of the units that ran, since somebody emptied it
    copies: dict[tuple[str, str], str] = field(default_factory=dict)  # by url and version, of all files ever listed

    @property
    def cutting(self) -> Cutting:
        return Cutting(SEGMENT, self.passage, LETTERS.digest)

    @property
    def inputs(self) -> list[InputSpec]:
        return [InputSpec.parse({"url": str(self.folder), "name": "in", **self.settings})]

    def job(self, new_version: bool = False) -> Job:
        encoder = Spectrum()
        prints = encoder.fingerprints
        defining = self.cutting.defining()
        return open_job(self.url, defining, encoder.dims, prints.space, prints.encoder, new_version=new_version)

    def copy(self) -> None:
        """Keep the files as they are now: a retry leaves what did not fail as it was, changed or not."""
        for entry in listing(str(self.folder)):
            key = entry.url, content_version(entry.etag, entry.size_bytes, entry.mtime)
            if key not in self.copies:
                path = Path(f"{self.url}-copies", str(len(self.copies)), Path(entry.url).name)
                path.parent.mkdir(parents=True)
                self.copies[key] = shutil.copyfile(entry.url, path).as_posix()

    def embed(self, new_version: bool = False) -> VectorsDataset:
        job = self.job(new_version)
        listed = list_archive(self.url, self.inputs)
        publish_draft(job)
        return self._publish(job, work_left(job, listed, self.cutting))

    def retry(self) -> VectorsDataset:
        job = self.job()
        publish_draft(job)
        former, failed = before_assets(self.url), failures_so_far(self.url)
        known = without_assets(former, failed["asset_id"].combine_chunks())
        listed = list_archive(self.url, self.inputs, known=known)
        return self._publish(job, failed_left(job, former, listed, failed, self.cutting))

    def embed_as_before(self) -> VectorsDataset:
        """As a Deglu that kept the units of former settings, and published them with the new ones."""
        job = self.job()
        work = work_left(job, list_archive(self.url, self.inputs), self.cutting)
        self._run(job, work)
        publish(job, work.assets)
        version = newest_version(self.url)
        assert version is not None
        ledger = read_ledger(self.url, version).drop_columns(["description"])
        place = place_after(version)
        refs = {"ledger": (write_table(self.url, "ledger", ledger, place["number"]),)}
        create_entry(self.url, Version.model_validate({**version.model_dump(), **place, **refs}))
        return open_dataset(self.url)

    def _publish(self, job: Job, work: WorkLeft) -> VectorsDataset:
        self._run(job, work)
        publish(job, work.assets, planned_units(work.assets, self.cutting), carry=work.carry)
        return open_dataset(self.url)

    def _run(self, job: Job, work: WorkLeft) -> None:
        def commit(table: pa.Table, ledger: LedgerRow, failures: list[FailureRow]) -> None:
            commit_unit(job, table, ledger, pa.Table.from_pylist(failures, schema=FAILURES))

        encode, cut = EncodeUnits(Spectrum(), commit), cut_stage(self.cutting, LETTERS)
        for number, unit in enumerate(work.todo.to_pylist()):
            self.embedded.append(unit["uri"])
            if unit["uri"] in self.ill:
                commit(rows(4).empty_table(), ledger_row(unit, "failed"), [failure_row(unit, "encode", "E", "ill")])
            else:
                encode(cut.run(work.todo.slice(number, 1)))
            if number == 4:
                publish_draft(job)


def rows_of(assets: pa.Table, cutting: Cutting) -> list[dict[str, Any]]:
    """The rows of all units of these assets, made at once and without a dataset."""
    made: list[pa.Table] = []
    encode = EncodeUnits(Spectrum(), lambda table, ledger, failures: made.append(table))
    encode(cut_stage(cutting, LETTERS).run(plan_units(assets, cutting)))
    return plain(pa.concat_tables(made))


def plain(table: pa.Table) -> list[dict[str, Any]]:
    found = [{**row, "metadata": sorted(row["metadata"])} for row in table.select(ROW).to_pylist()]
    return sorted(found, key=lambda row: (row["segment_id"], row["unit_id"]))


def check(dataset: VectorsDataset, archive: Archive) -> None:
    """It has the rows of all its assets as they are listed, once each, but for units that failed; and it balances."""
    assets = dataset.assets()
    keys = zip(assets["url"].to_pylist(), assets["content_version"].to_pylist(), strict=True)
    assets = assets.set_column(
        assets.schema.get_field_index("url"), "url", pa.array([archive.copies[key] for key in keys])
    )
    failed = {row["unit_id"] for row in dataset.ledger().to_pylist() if row["outcome"] == "failed"}
    cutting = Cutting.of(read_job(dataset.url, dataset.info.job).defining)
    assert plain(dataset.table()) == [row for row in rows_of(assets, cutting) if row["unit_id"] not in failed]
    assert [problem for one in verify_version(dataset) for problem in one.problems] == []


def write_texts(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "letters.txt").write_text("aaa a.\n\nbbb b.\n\nccc dd.\n", encoding="utf-8")
    (folder / "table.csv").write_text("id,text,texte\n1,aa,dd\n2,bb,cc\n3,ab,cd\n", encoding="utf-8")
    (folder / "french.csv").write_text("id,texte,lang\n1,aaa,fr\n2,bbb,wo\n3,ccc,\n", encoding="utf-8")
    (folder / "docs.jsonl").write_text('{"text": "ab", "lang": "fr"}\n{"text": "dd"}\n', encoding="utf-8")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    write_texts(tmp_path / "in")
    archive = Archive(tmp_path / "in", str(tmp_path / "out"))
    archive.copy()
    return archive


@pytest.mark.slow
def test_the_cure_that_failures_names_mends(archive: Archive) -> None:
    """Every way to use it: by retry, by embed, in place or as a new version."""
    before = archive.embed()
    assert before.info.accounting.failed == 1, "french.csv has no column `text`"
    archive.settings = {"columns": {"text": "texte"}}
    archive.embedded.clear()
    retried = archive.retry()
    check(retried, archive)
    assert (set(archive.embedded), retried.info.accounting.failed) == ({"in/french.csv"}, 0)
    check(archive.embed(), archive)
    version = archive.embed(new_version=True)
    check(version, archive)
    assert sorted(row["text"] for row in version.table().to_pylist() if row["uri"] == "in/table.csv") == [
        "cc", "cd", "dd"
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("mend", "again"), [(Archive.embed, []), (Archive.retry, ["in/docs.jsonl"])])
def test_what_an_older_deglu_broke_is_mended_and_nothing_is_embedded_twice(
    archive: Archive, mend: Callable[[Archive], VectorsDataset], again: list[str]
) -> None:
    archive.embed()
    archive.settings = {"columns": {"text": "texte"}}
    broken = archive.embed_as_before()
    texts = [row["text"] for row in broken.table().to_pylist() if row["uri"] == "in/table.csv"]
    assert sorted(texts) == ["aa", "ab", "bb", "cc", "cd", "dd"], "rows doubled"
    assert any(one.problems for one in verify_version(broken))
    archive.embedded.clear()
    mended = mend(archive)
    assert archive.embedded == again, "docs.jsonl has no field `texte`, so it fails"
    assert mended.info.accounting.failed == 1
    check(mended, archive)
    assert len(mended.table()) < len(broken.table())


@pytest.mark.slow
def test_rows_carry_the_newest_language_and_metadata_and_recordings_keep_their_vectors(archive: Archive) -> None:
    write_wave(archive.folder / "tones.wav", tone(12, 200), tone(2, 500))
    archive.copy()
    archive.embed_as_before()  # by a Deglu that recorded no descriptions
    archive.embedded.clear()
    archive.settings = {"lang": "fr", "metadata": {"station": "Dakar"}}
    first = archive.embed()
    check(first, archive)
    assert set(archive.embedded) == {"in/docs.jsonl", "in/table.csv"}, "whose rows may have a language of their own"
    archive.embedded.clear()
    archive.settings = {"lang": "wo", "metadata": {}}
    second = archive.embed()
    check(second, archive)
    own = {row["text"]: row["lang"] for row in second.table().to_pylist() if row["uri"] == "in/docs.jsonl"}
    assert own == {"ab": "fr", "dd": "wo"}, "the document's own language wins, also where the input's was the same"
    assert set(archive.embedded) == {"in/docs.jsonl", "in/table.csv"}
    assert archive.embed().info == second.info, "nothing changed"


COLUMNS: tuple[Settings, ...] = ({}, {"text": "texte"}, {"text": "texte", "title": "id"})
PASSAGES = (
    PassageSpec(max_tokens=60, overlap_tokens=0, unit_rows=2),
    PassageSpec(max_tokens=60, overlap_tokens=0, unit_rows=1),
    PassageSpec(max_tokens=40, overlap_tokens=0, unit_bytes=10),
)


def disturb(archive: Archive, rng: random.Random) -> None:
    """Change some setting, some file, or what fails."""
    choice, path = rng.randrange(6), archive.folder / rng.choice(("letters.txt", "table.csv", "french.csv"))
    if choice == 0:
        archive.settings = {**archive.settings, "columns": rng.choice(COLUMNS)}
    elif choice == 1:
        archive.settings = {**archive.settings, "modality": rng.choice(("auto", "auto", "text", "speech"))}
    elif choice == 2:
        archive.settings = {**archive.settings, "lang": rng.choice((None, "fr", "wo"))}
    elif choice == 3:
        archive.settings = {**archive.settings, "metadata": rng.choice(({}, {"year": "1999"}, {"id": "x"}))}
    elif choice == 4:
        if path.exists() and rng.random() < 0.5:
            path.unlink()
        else:
            path.write_text(f"text,texte\na{rng.randrange(9)},d\nb,c{rng.randrange(9)}\n", encoding="utf-8")
    else:
        archive.ill = frozenset(rng.sample(("in/letters.txt", "in/table.csv", "in/tones.wav"), rng.randrange(3)))


def live_through(folder: Path, seed: int, steps: int = 8) -> None:
    rng = random.Random(seed)
    write_texts(folder / "in")
    write_wave(folder / "in" / "tones.wav", tone(12, 200), tone(2, 500))
    write_wave(folder / "in" / "short.wav", tone(3, 1500))
    archive = Archive(folder / "in", str(folder / "out"))
    for _ in range(steps):
        for _ in range(rng.randrange(3)):
            disturb(archive, rng)
        archive.copy()
        act = rng.choice(("embed", "embed", "retry", "new version", "killed", "killed"))
        if act == "new version":
            archive.passage = rng.choice(PASSAGES)
        try:
            with kill_after(rng.randrange(40) if act == "killed" else 10**6):
                if act == "retry" and versions(archive.url):
                    archive.retry()
                else:
                    archive.embed(new_version=act == "new version")
        except KilledError:
            pass
        if versions(archive.url):  # what a kill has left, too
            check(open_dataset(archive.url), archive)
    archive.ill = frozenset()
    archive.embed()
    archive.retry()
    dataset = archive.embed()
    check(dataset, archive)
    assert plain(dataset.table()) == rows_of(list_assets(archive.inputs), archive.cutting)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_sync", lambda path: None)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(3))
def test_any_history_ends_as_a_new_output_would(tmp_path: Path, seed: int) -> None:
    live_through(tmp_path, seed)


@pytest.mark.campaign
@pytest.mark.usefixtures("quick")
@pytest.mark.timeout(3600)
def test_many_histories_end_as_a_new_output_would(tmp_path: Path) -> None:
    for seed in range(100, 400):
        live_through(tmp_path / str(seed), seed, steps=12)
