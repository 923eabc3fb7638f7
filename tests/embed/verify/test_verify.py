"""A small real dataset, damaged in every way: the check that must see it does, and names the unit."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.check import Check
from embed.dataset import open_dataset
from embed.dataset.forget import forget
from embed.dataset.job import Job, open_job
from embed.dataset.publish import publish
from embed.dataset.staging import commit_unit
from embed.dataset.version import FileRef
from embed.segmentation.units import plan_units, planned_units
from embed.stages import EncodeUnits, cut_stage
from embed.storage.numbered_log import entry_url, opened, sealed
from embed.tables import FAILURES, FailureRow, LedgerRow
from embed.verify.checks import SURPLUS
from embed.verify.verify import verify_version
from tests.embed.sounds import CUTTING, LETTERS, Spectrum, write_archive


def embed(folder: Path, url: str) -> Job:
    """What the job does, in a for-loop: the archive of `write_archive` and an empty file, published."""
    encoder = Spectrum()
    job = open_job(url, CUTTING.defining(), encoder.dims, *_prints(encoder))
    assets = list_assets([InputSpec.parse({"url": str(folder), "name": "archive"})])

    def commit(table: pa.Table, ledger: LedgerRow, failures: list[FailureRow]) -> None:
        commit_unit(job, table, ledger, pa.Table.from_pylist(failures, schema=FAILURES))

    EncodeUnits(encoder, commit)(cut_stage(CUTTING, LETTERS).run(plan_units(assets, CUTTING)))
    publish(job, assets, planned_units(assets, CUTTING))
    return job


def _prints(encoder: Spectrum) -> tuple[str, str]:
    return encoder.fingerprints.space, encoder.fingerprints.encoder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five units: two of tones.wav, letters.txt, docs.jsonl, and empty.txt, which failed."""
    root = tmp_path_factory.mktemp("verify")
    write_archive(root / "archive")
    (root / "archive" / "empty.txt").touch()
    embed(root / "archive", str(root / "out"))
    return root / "out"


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "out"))


def verified(place: Path | str) -> dict[str, Check]:
    return {check.name: check for check in verify_version(open_dataset(str(place)))}


def wrong(place: Path | str) -> dict[str, list[tuple[str | None, str]]]:
    """uri and words of every problem, by the name of the check."""
    found = {name: check.problems for name, check in verified(place).items() if check.problems}
    return {name: [(problem.uri, problem.what) for problem in problems] for name, problems in found.items()}


def data_file(place: Path) -> Path:
    return next((place / "data").glob("*.parquet"))


def rewritten(place: Path, folder: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """A file with other content, the version telling of the change as if it were right."""
    path = next((place / folder).glob("*.parquet"))
    table = change(pq.read_table(path))
    pq.write_table(table, path)
    _tell(place, folder, path, table.num_rows)


def _tell(place: Path, folder: str, path: Path, num_rows: int) -> None:
    log = Path(entry_url(str(place), 1))
    version = opened(log.read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ref = FileRef(name=f"{folder}/{path.name}", size_bytes=path.stat().st_size, sha256=digest, rows=num_rows)
    version[folder] = [ref.model_dump()] if isinstance(version[folder], list) else ref.model_dump()
    log.write_bytes(sealed(version))


def changed(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def test_a_whole_dataset_is_whole(whole: Path) -> None:
    checks = verified(whole)
    assert not wrong(whole)
    figures = {name: check.figures for name, check in checks.items()}
    assert figures["log"] == "1 version, 0 drafts"
    assert figures["units"] == "5 listed = 4 embedded + 1 failed + 0 skipped"
    assert figures["seconds"] == "16.0 decoded = 16.0 embedded + 0.0 not speech + 0.0 lost"
    num_rows = open_dataset(str(whole)).info.rows
    assert figures["ids"] == f"{num_rows} segment ids, no two equal"
    assert figures["vectors"] == f"{num_rows} of 4 finite values, of length 1"
    assert figures["failures"] == "1, at least one for each of 1 failed unit"
    assert (figures["forgotten"], figures["orphans"]) == ("no asset was forgotten", "none")


def test_a_flipped_byte(place: Path) -> None:
    data = bytearray(data_file(place).read_bytes())
    data[len(data) // 3] ^= 1
    data_file(place).write_bytes(data)
    name = f"data/{data_file(place).name}"
    assert wrong(place)["files"][0] == (None, f"{name}: its sha256 is not the one in the version")


def test_a_truncated_file(place: Path) -> None:
    data = data_file(place).read_bytes()
    data_file(place).write_bytes(data[:-100])
    found = wrong(place)
    assert f"{len(data) - 100:,} bytes, the version states {len(data):,}" in found["files"][0][1]
    assert "not readable as Parquet" in found["files"][1][1]


def test_a_missing_data_file_names_the_units_that_were_in_it(place: Path) -> None:
    name = data_file(place).name
    data_file(place).unlink()
    found = wrong(place)
    assert found["files"] == [(None, f"data/{name}: missing")]
    uris = sorted(str(uri) for uri, _ in found["rows"])
    assert uris == ["archive/docs.jsonl", "archive/letters.txt", "archive/tones.wav", "archive/tones.wav"]


@pytest.mark.parametrize("folder", ["ledger", "failures", "tombstones", "assets"])
def test_a_missing_table(place: Path, folder: str) -> None:
    path = next((place / folder).glob("*.parquet"))
    path.unlink()
    assert (None, f"{folder}/{path.name}: missing") in wrong(place)["files"]


def test_a_ledger_without_a_unit(place: Path) -> None:
    rewritten(place, "ledger", lambda ledger: ledger.filter(pc.not_equal(ledger["rows"], 2)))
    found = wrong(place)
    assert found["units"] == [("archive/docs.jsonl", "missing: neither embedded, nor failed, nor skipped")]
    assert found["rows"] == [(None, "2 rows in the files, but no such unit in the ledger")]
    assert "the ledger has 4 units, the version states 5" in [what for _, what in found["seconds"]]


def test_a_missing_unit_has_its_span(place: Path) -> None:
    tones = plan_of(place).filter(pc.equal(plan_of(place)["start"], 10_000))["unit_id"]
    rewritten(place, "ledger", lambda ledger: ledger.filter(pc.invert(pc.is_in(ledger["unit_id"], value_set=tones))))
    (problem,) = verified(place)["units"].problems
    assert (problem.uri, problem.modality, problem.start, problem.end) == ("archive/tones.wav", "speech", 10_000, None)


def plan_of(place: Path) -> pa.Table:
    return plan_units(open_dataset(str(place)).assets(), CUTTING)


def test_an_asset_less_makes_units_surplus(place: Path) -> None:
    rewritten(place, "assets", lambda assets: assets.filter(pc.not_equal(assets["format"], "txt")))
    assert wrong(place)["units"] == [(None, SURPLUS), (None, SURPLUS)]


def test_rows_twice(place: Path) -> None:
    rewritten(place, "data", lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    found = wrong(place)
    assert [what for _, what in found["ids"]] == ["1 row with a segment id that another row has"]
    assert len(found["rows"]) == 1
    assert set(found) == {"ids", "rows"}


def test_a_vector_of_another_length(place: Path) -> None:
    def longer(table: pa.Table) -> pa.Table:
        vectors = np.array(table["vector"].to_pylist(), np.float16)
        vectors[0] *= 2
        vectors[1, 0] = np.nan
        flat = pa.array(vectors.reshape(-1), pa.float16())
        return changed(table, "vector", pa.FixedSizeListArray.from_arrays(flat, 4))

    rewritten(place, "data", longer)
    found = wrong(place)
    assert set(found) == {"vectors"}
    assert sum(int(what.split()[0]) for _, what in found["vectors"]) == 2
    assert all(uri and uri.startswith("archive/") for uri, _ in found["vectors"])


def test_a_speech_row_of_another_encoder_and_a_text_row_of_another_space(place: Path) -> None:
    def other(table: pa.Table) -> pa.Table:
        # Texts hang on the space alone: those of an earlier encoder are kept when it is trained again.
        table = changed(table, "encoder", pa.repeat("spectrum-2", table.num_rows))
        return changed(
            table, "space", pc.if_else(pc.equal(pc.fill_null(table["item"], ""), "two"), "space-2", table["space"])
        )

    rewritten(place, "data", other)
    found = wrong(place)
    assert set(found) == {"encoder"}
    kinds = {(uri, what.partition(" of ")[2]) for uri, what in found["encoder"]}
    assert kinds == {("archive/tones.wav", "encoder spectrum-2 (speech)"), ("archive/docs.jsonl", "space space-2")}


def test_seconds_that_do_not_balance(place: Path) -> None:
    def lose(ledger: pa.Table) -> pa.Table:
        return changed(ledger, "not_speech_s", pc.if_else(pc.equal(ledger["decoded_s"], 6.0), 1.5, 0.0))

    rewritten(place, "ledger", lose)
    found = wrong(place)
    assert set(found) == {"seconds"}
    assert ("archive/tones.wav", "6.0 s decoded, but 6.0 embedded + 1.5 not speech + 0.0 lost") in found["seconds"]


def test_a_failed_unit_without_a_word(place: Path) -> None:
    rewritten(place, "failures", lambda failures: failures.slice(0, 0))
    assert wrong(place) == {"failures": [("archive/empty.txt", "failed, but no failure has the reason")]}


def test_a_failure_without_its_unit(place: Path) -> None:
    def more(failures: pa.Table) -> pa.Table:
        stranger = changed(failures, "unit_id", pa.array([b"0123456789abcdef"], pa.binary(16)))
        return pa.concat_tables([failures, stranger])

    rewritten(place, "failures", more)
    assert wrong(place) == {"failures": [(None, "1 failure of a unit that is not in the ledger")]}


def test_a_damaged_entry_and_a_gap_in_the_log(place: Path) -> None:
    shutil.copy(entry_url(str(place), 1), entry_url(str(place), 3))
    found = {what for _, what in wrong_log(place)}
    assert "entry 2 is missing from the log" in found
    assert "entry 3 has the number 1 inside" in found


def wrong_log(place: Path) -> list[tuple[str | None, str]]:
    return [(one.uri, one.what) for one in verified(place)["log"].problems]


def test_orphans_are_a_note(place: Path) -> None:
    shutil.copy(data_file(place), place / "data" / "00000001-feed.parquet")
    check = verified(place)["orphans"]
    assert check.figures.startswith("1 file,")
    assert not check.problems


def test_what_is_forgotten_is_followed_until_it_is_gone(place: Path) -> None:
    forget(str(place), ["archive/letters.txt"])
    checks = verified(place)
    assert not wrong(place)
    assert checks["units"].figures == "4 listed = 3 embedded + 1 failed + 0 skipped"
    assert checks["forgotten"].figures.startswith("1 asset: 3 rows in 1 file")
    assert checks["rows"].figures.endswith("3 more under tombstones")
    before = data_file(place).read_bytes()
    forget(str(place), [], compact=True)
    assert not wrong(place)
    assert verified(place)["forgotten"].figures == "1 asset: 0 rows in any file of any version: purged"
    (place / "data" / "00000001-back.parquet").write_bytes(before)
    ((_, what),) = wrong(place)["forgotten"]
    assert what.startswith(
        "data/00000001-back.parquet: 3 rows of forgotten assets, although a compaction has purged them"
    )


def test_on_any_storage(whole: Path, storage_url: str) -> None:
    job = embed(whole.parent / "archive", storage_url)
    assert not wrong(job.url)
    version = open_dataset(job.url)
    seen: list[None] = []
    verify_version(version, lambda: seen.append(None))
    assert len(seen) == len(version.info.data)
