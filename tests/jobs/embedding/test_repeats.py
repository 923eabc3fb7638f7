"""`deglu embed` with fingerprints, then `deglu repeats`, `deglu status` and `deglu query --collapse`'s table."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.dataset import open_dataset
from embed.encoder import SAMPLE_RATE
from embed.repeats.kept import units_with_prints
from jobs.__main__ import run
from jobs.command.progress import Silent
from jobs.embedding.embed_archive import embed_archive
from jobs.operate.find_repeats import repeats
from tests.embed.fingerprints.sounds import talk, tune
from tests.jobs.embedding.small_archive import spec_of

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def test_a_jingle_of_two_recordings_is_found(
    tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output, jingle = tmp_path / "archive", tmp_path / "vectors", tune(5, 5.0)
    folder.mkdir()
    for number, name in enumerate(("monday", "tuesday")):
        sound = np.concatenate([talk(number, 3 + number), jingle, talk(9 + number, 4)])
        soundfile.write(folder / f"{name}.wav", sound, SAMPLE_RATE)
    segment = {"mode": "windows", "unit_s": 600}
    embed_archive(spec_of(folder, output, tiny_model, segment=segment, repeats=True))
    assert units_with_prints(str(output)) == set(open_dataset(str(output)).ledger()["unit_id"].to_pylist())

    document = repeats(str(output), Silent()).document()
    (row,) = document["rows"]
    assert (row["uri"], row["of_uri"]) == ("archive/tuesday.wav", "archive/monday.wav")
    assert row["of_start_s"] - row["start_s"] == pytest.approx(-1, abs=0.1)
    assert (document["units_new"], document["units_without_fingerprint"]) == (2, 0)

    assert run(["repeats", str(output)]) == 0
    text = capsys.readouterr().out
    assert "1 repeat" in text
    assert "archive/monday.wav" in text
    assert run(["status", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["repeats"] == {
        "version": 1,
        "units": 2,
        "without": 0,
        "repeats": 1,
        "repeated_s": round(row["end_s"] - row["start_s"], 3),
    }
