"""Files that no entry of the log names."""

import shutil
from pathlib import Path

from embed.dataset import open_dataset
from embed.dataset.orphans import files_in, orphans
from embed.dataset.publish import publish
from tests.embed.vectors import begin, commit, manifest


def test_what_no_entry_names_is_an_orphan(tmp_path: Path) -> None:
    job = begin(str(tmp_path / "out"))
    commit(job, "a", "one")
    version = publish(job, manifest("a"))
    assert orphans(files_in(job.url), [version]) == []
    place = Path(open_dataset(job.url).files()[0])
    shutil.copy(place, place.with_name("00000001-left.parquet"))
    assert orphans(files_in(job.url), [version]) == ["data/00000001-left.parquet"]
