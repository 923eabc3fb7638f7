"""`deglu embed` on a tar as WebDataset writes it: embedded, run again, extended, damaged."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import soundfile

from embed.dataset import open_dataset
from embed.encoder import SAMPLE_RATE
from jobs.__main__ import run
from jobs.demo.demo_material import voice
from tests.embed.archive.tars.packing import pack
from tests.jobs.embedding.small_archive import rows_at, spec_of, written

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session", "light")]


def sample(number: int) -> list[tuple[str, bytes]]:
    memory = io.BytesIO()
    soundfile.write(memory, voice(1.5, number), SAMPLE_RATE, format="FLAC")
    about = json.dumps({"lang": "fr", "speaker": number}).encode()
    return [
        (f"s{number}.cls", b"%d" % number),
        (f"s{number}.flac", memory.getvalue()),
        (f"s{number}.json", about),
        (f"s{number}.txt", f"Phrase {number}.".encode()),
    ]


@pytest.mark.slow
def test_a_tar_is_embedded_run_again_and_extended(tmp_path: Path, tiny_model: str, capsys: Any) -> None:
    pack(tmp_path / "in" / "a.tar", [*sample(0), *sample(1)])
    whole = pack(tmp_path / "in" / "cut.tar", [*sample(3), *sample(4)])
    (tmp_path / "in" / "cut.tar").write_bytes(whole[: whole.index(b"s4.flac") + 600])
    path = written(tmp_path, spec_of(tmp_path / "in", tmp_path / "out", tiny_model))

    def embedded() -> int:
        assert run(["embed", str(path), "--json"]) == 3
        return int(json.loads(capsys.readouterr().out)["new_units"])

    assert embedded() == 4
    rows = rows_at(tmp_path / "out").sort_by("uri").to_pylist()
    names = ("a.tar#member=s0", "a.tar#member=s1", "cut.tar#member=s3")
    assert [(row["uri"], row["start_s"], row["end_s"], row["text"], row["lang"]) for row in rows] == [
        (f"archive/{name}.flac", 0.0, 1.5, f"Phrase {name[-1]}.", "fr") for name in names
    ]
    assert [dict(row["metadata"]) for row in rows] == [{"cls": name[-1], "speaker": name[-1]} for name in names]
    (failure,) = open_dataset(str(tmp_path / "out")).failures().to_pylist()
    assert (failure["uri"], failure["error_class"]) == ("archive/cut.tar", "InputError")
    assert "cut short at byte" in failure["message"]

    os.utime(tmp_path / "in" / "a.tar", (1, 1))
    assert embedded() == 0
    changed = [(name, data.replace(b"Phrase", b"Mot")) for name, data in sample(1)]
    pack(tmp_path / "in" / "a.tar", [*sample(2), *sample(0), *changed])
    assert embedded() == 1
    now = {row["uri"][-7:]: row for row in rows_at(tmp_path / "out").to_pylist()}
    assert {name: row["text"] for name, row in now.items()} == {
        "s0.flac": "Phrase 0.",
        "s1.flac": "Mot 1.",
        "s2.flac": "Phrase 2.",
        "s3.flac": "Phrase 3.",
    }
    assert [now[f"s{n}.flac"]["segment_id"] for n in (0, 1)] == [row["segment_id"] for row in rows[:2]]
    assert run(["verify", str(tmp_path / "out")]) == 0
