"""`deglu retry` on a small archive: what was mended is embedded, the rest stays as it is."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.tables import FAILURES
from index.filter import parse_where
from jobs.demo.demo_material import voice
from jobs.embedding.retry_failures import retry_failures
from tests.jobs.embedding.small_archive import Embedded, rows_at, spec_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session", "light")]


def test_retry_mends_what_failed_and_touches_nothing_else(embedded: Embedded, tmp_path: Path, tiny_model: str) -> None:
    folder, output = tmp_path / "in", tmp_path / "vectors"
    shutil.copytree(embedded.folder, folder)
    shutil.copytree(embedded.output, output)
    before = rows_at(output)
    soundfile.write(folder / "letter.wav", voice(2, 3), SAMPLE_RATE)  # somebody brought the recording
    (folder / "empty.mp3").unlink()
    (folder / "news.txt").write_text("Not asked for.\n", encoding="utf-8")
    spec = spec_of(folder, output, tiny_model)
    report = retry_failures(spec, where=parse_where("uri = 'archive/letter.wav'", FAILURES))
    assert (report.new_units, report.version.number, report.failures, report.exit_code) == (1, 2, 3, 3)
    rows = rows_at(output)
    assert rows.filter(pa.compute.not_equal(rows["uri"], "archive/letter.wav")).equals(before)
    assert rows.num_rows > before.num_rows

    rest = retry_failures(spec)
    assert (rest.new_units, rest.version.number, rest.failures, rest.gone_assets) == (2, 3, 2, 1)
    assert rows_at(output).equals(rows)
