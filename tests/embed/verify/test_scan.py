"""One pass over small files, and as many as wanted for the ids."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.publish import publish
from embed.verify import scan as scanning
from embed.verify.scan import Scan, check_file, scan
from tests.embed.vectors import begin, commit, manifest, unit_of


@pytest.fixture
def dataset(tmp_path: Path) -> VectorsDataset:
    """Unit a has three rows, b two, gone one under a tombstone; in files of about one unit each."""
    job = begin(str(tmp_path / "out"))
    commit(job, "a", "one", "two", "three")
    commit(job, "b", "four", "five")
    commit(job, "gone", "six")
    publish(job, manifest("a", "b"), file_bytes=1)
    return open_dataset(job.url)


def counts_of(dataset: VectorsDataset) -> dict[bytes, int]:
    counts = scan(dataset).counts
    return dict(zip(counts["unit_id"].to_pylist(), counts["rows"].to_pylist(), strict=True))


def test_live_rows_are_counted_by_unit(dataset: VectorsDataset) -> None:
    seen: list[None] = []
    found = scan(dataset, lambda: seen.append(None))
    assert counts_of(dataset) == {unit_of("a"): 3, unit_of("b"): 2}
    assert (found.files, found.rows, found.hidden) == (3, 5, 1)
    assert found.size_bytes == sum(ref.size_bytes for ref in dataset.info.data)
    assert len(seen) == 3
    assert found == Scan(3, found.size_bytes, 5, 1, counts=found.counts)  # and nothing wrong


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_repeated_ids_are_found_in_any_number_of_passes(
    dataset: VectorsDataset, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "PREFIXES_AT_ONCE", at_once)
    tables = [pq.read_table(url) for url in dataset.files()]
    first, other = sorted(tables, key=len)[-1], sorted(tables, key=len)[-2]
    pq.write_table(pa.concat_tables([other, first.slice(0, 2)]), dataset.files()[tables.index(other)])
    assert scan(dataset).repeated == Counter({unit_of("a"): 2})


def test_ids_of_equal_first_halves_are_not_equal() -> None:
    table = pa.table({"segment_id": pa.array([b"12345678abcdefgh", b"12345678ABCDEFGH"], pa.binary(16))})
    table = table.append_column("unit_id", pa.array([b"u" * 16] * 2, pa.binary(16)))
    suspects = scanning._twice([scanning._prefixes(table)])
    assert len(suspects) == 1
    assert not scanning._repeated([table], suspects)
    assert scanning._repeated([table, table], suspects) == Counter({b"u" * 16: 2})


def test_a_file_is_of_its_size_and_bytes(dataset: VectorsDataset) -> None:
    ref = dataset.info.data[0]
    path = Path(dataset.url) / ref.name
    assert check_file(path, ref) == []
    other = b"?" + path.read_bytes()[1:]
    path.write_bytes(other)
    assert check_file(path, ref) == [f"{ref.name}: its sha256 is not the one in the version"]
    path.write_bytes(other[1:])
    assert "bytes, the version states" in check_file(path, ref)[0]
