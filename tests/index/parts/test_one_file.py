"""One file of a part is read without the others, from disk, from the cache or from afar."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from embed.errors import StorageError
from embed.storage import store
from index.parts.artifact import PROVENANCE_COPY, ROWS
from index.parts.copies import copies_folder
from index.parts.local import part_folder
from index.parts.one_file import file_of, some_rows
from tests.index.living import built


def test_a_local_file_is_read_where_it_lies(tmp_path: Path) -> None:
    (entry,) = built(str(tmp_path), range(6)).segments
    with file_of(str(tmp_path), entry.part, PROVENANCE_COPY) as path:
        assert path == tmp_path / "parts" / entry.part.name / PROVENANCE_COPY
    path.write_bytes(b"x" * entry.part.files[PROVENANCE_COPY].bytes)
    with pytest.raises(StorageError, match="damaged"), file_of(str(tmp_path), entry.part, PROVENANCE_COPY):
        pass


@pytest.mark.s3
def test_a_remote_file_is_fetched_alone(s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path))
    url = store.join(s3_url, "one-file")
    (entry,) = built(url, range(6)).segments
    with file_of(url, entry.part, PROVENANCE_COPY) as path:
        assert pq.read_table(path).num_rows == 6
        assert [other.name for other in path.parent.iterdir()] == [PROVENANCE_COPY]
    assert not path.exists()
    assert some_rows(url, entry.part).shape == (6, 8)
    part_folder(url, entry.part)
    with file_of(url, entry.part, PROVENANCE_COPY) as path:
        assert path.is_relative_to(copies_folder())
    store.delete([store.join(url, "parts", entry.part.name, ROWS)])
    missing = entry.part.model_copy(update={"name": "rows-text-none"})
    with pytest.raises(StorageError, match="missing; run the same"), file_of(url, missing, PROVENANCE_COPY):
        pass


def test_some_rows_are_stretches_at_even_steps(tmp_path: Path) -> None:
    part = built(str(tmp_path), range(4)).segments[0].part
    rows = np.arange(100_000 * 2, dtype=np.float32).reshape(-1, 2) % 2000
    np.save(tmp_path / "parts" / part.name / ROWS, rows.astype(np.float16))
    found = some_rows(str(tmp_path), part)
    assert found.shape == (64 * 256, 2)
    assert (found[:256] == rows[:256]).all()
    assert np.isin(found[:, 0], rows[:, 0]).all()
    assert len(np.unique(found[:, 0])) == 1000
