"""`deglu embed` of recordings that tags, a catalogue and XML describe: rows, a changed catalogue, an answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.dataset import open_dataset
from embed.encoder import SAMPLE_RATE
from index.building.build import build
from index.spec import IndexSpec
from jobs.__main__ import run
from jobs.demo.demo_material import voice
from jobs.embedding.embed_archive import embed_archive
from jobs.indexing.build_index import lineage_of
from tests.embed.audio.tagged import write_tagged
from tests.jobs.embedding.small_archive import rows_at, spec_of

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_session", "light")]

PAUSE = np.zeros(2 * SAMPLE_RATE, np.float32)


def described(table: pa.Table) -> dict[str, list[dict[str, str]]]:
    """The metadata of the rows of each file, by time."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: (row["uri"], row["start_s"])):
        found.setdefault(row["uri"].partition("/")[2], []).append(dict(row["metadata"]))
    return found


def test_rows_have_what_is_written_about_their_files(
    tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "radio", tmp_path / "vectors"
    folder.mkdir()
    wave = np.concatenate([voice(2, 1), PAUSE, voice(2, 2)])
    write_tagged(folder / "a.mp3", {"title": "Journal", "date": "2019-04-01"}, {0.0: "News", 3.5: "Weather"}, wave)
    write_tagged(folder / "b.flac", {"title": "Débat"}, None, wave)
    (folder / "b.xml").write_text('<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:language>wo</dc:language></m>')
    (folder / "list.csv").write_text("file,date\nb.flac,2001\n")
    inputs: list[dict[str, Any]] = [
        {
            "url": str(folder),
            "name": "radio",
            "metadata_from": ["tags", "xml", "list.csv"],
            "metadata": {"station": "Sud"},
        }
    ]
    spec = spec_of(folder, output, tiny_model, inputs=inputs)
    report = embed_archive(spec)
    assert (report.exit_code, report.new_units) == (0, 2)
    before = rows_at(output)
    journal = {"title": "Journal", "date": "2019-04-01", "station": "Sud"}
    debate = {"title": "Débat", "date": "2001", "station": "Sud", "language": "wo"}
    found = described(before)
    assert found["a.mp3"][0] == journal | {"chapter": "News"}
    assert found["a.mp3"][-1] == journal | {"chapter": "Weather"}
    assert found["b.flac"][0] == found["b.flac"][-1] == debate

    # A changed catalogue: the rows change, and nothing is embedded again.
    (folder / "list.csv").write_text("file,date,title\nb.flac,2002,\na.mp3,,Evening\n")
    report = embed_archive(spec)
    assert (report.exit_code, report.new_units, report.version.number) == (0, 0, 2)
    after = rows_at(output)
    unchanged = [name for name in after.column_names if name != "metadata"]
    assert after.select(unchanged).equals(before.select(unchanged))
    found = described(after)
    assert found["a.mp3"][0] == journal | {"title": "Evening", "chapter": "News"}
    assert found["a.mp3"][-1]["chapter"] == "Weather"
    assert found["b.flac"][0] == debate | {"date": "2002"}
    assert embed_archive(spec).version.number == 2
    assert run(["verify", str(output)]) == 0

    dataset = open_dataset(str(output))
    build(IndexSpec(vectors=str(output), output=str(tmp_path / "index")), dataset, lineage_of(dataset))
    capsys.readouterr()
    where = ["--where", "metadata['date'] = '2002'"]
    assert run(["query", str(tmp_path / "index"), "--text", "rice", *where]) == 0
    out = capsys.readouterr().out
    assert "Débat · 2002" in out
    assert "a.mp3" not in out
    assert run(["query", str(tmp_path / "index"), "--text", "rice", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["questions"][0]["answers"]
    assert {answer["metadata"]["title"] for answer in answers} == {"Débat", "Evening"}
