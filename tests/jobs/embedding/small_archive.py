"""A small archive of good and bad files, its spec and its rows, for the tests of embedding."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import soundfile
import yaml

from embed.dataset import open_dataset
from embed.encoder import SAMPLE_RATE
from embed.spec import EmbedSpec
from jobs.demo.demo_material import voice
from jobs.embedding.report import EmbedReport

GOOD = ("docs.jsonl", "notes.txt", "voice.flac", "voice.mp3", "voice.ogg", "voice.wav")
SENTENCES = ("The market opens at six.", "Rain is expected tomorrow.", "The price of rice went up again.")


def write_good(folder: Path) -> None:
    for number, container in enumerate(("wav", "flac", "ogg", "mp3")):
        pieces = [voice(2.5, number), np.zeros(SAMPLE_RATE, np.float32), voice(1.5, number + 10)]
        soundfile.write(folder / f"voice.{container}", np.concatenate(pieces), SAMPLE_RATE)
    (folder / "notes.txt").write_text("\n\n".join(SENTENCES) + "\n", encoding="utf-8")
    documents = [{"_id": f"d{i}", "text": text} for i, text in enumerate(SENTENCES[:2])]
    (folder / "docs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")


def write_bad(folder: Path) -> None:
    header = (folder / "whole.flac", folder / "corrupt.flac")
    soundfile.write(header[0], voice(2, 5), SAMPLE_RATE)
    noise = np.random.default_rng(0).integers(0, 256, 4000, np.uint8).tobytes()
    header[1].write_bytes(header[0].read_bytes()[:60] + noise)
    header[0].unlink()
    (folder / "empty.mp3").touch()
    (folder / "letter.wav").write_text("Dear archivist, I am not a recording.\n" * 9, encoding="utf-8")
    soundfile.write(folder / "sample.wav", np.zeros(1, np.float32), SAMPLE_RATE)


def spec_of(folder: Path | str, output: Path | str, model: str, **changed: Any) -> EmbedSpec:
    values = {
        "inputs": [{"url": str(folder), "name": "archive", "lang": "en"}],
        "output": str(output),
        "model": model,
        "device": "cpu",
        "precision": "float32",
    }
    return EmbedSpec.parse({**values, **changed})


def rows_at(url: str | Path, version: int | None = None) -> pa.Table:
    return open_dataset(str(url), version).table().sort_by("segment_id")


class Embedded(NamedTuple):
    folder: Path
    output: Path
    report: EmbedReport


def written(folder: Path, spec: EmbedSpec) -> Path:
    path = folder / "embed.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json")), encoding="utf-8")
    return path
