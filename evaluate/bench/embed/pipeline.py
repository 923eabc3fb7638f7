"""The whole `deglu embed`, from files on S3 to Parquet on S3, against encoding alone in one process.

Both have one core and one thread.  The pipeline's pace is measured from its first commit to its last: Ray's start and
the loading of the model happen once a run.  Encoding alone has its speech cut and in memory before the clock starts, so
the difference is the cost of reading, decoding, finding speech, committing and Ray together.
"""

import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

import numpy as np
import soundfile

from embed.archive.manifest import list_assets
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DataUnavailable
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import words_of
from embed.segmentation.units import plan_units
from embed.spec import EmbedSpec
from embed.stages import EncodeUnits, cut_stage
from embed.storage.store import write_bytes
from evaluate.bench.embed.samples import texts, waves
from evaluate.bench.s3_server import KEY, SECRET, S3Server
from evaluate.bench.shape import Row
from evaluate.bench.timing import one_thread
from jobs.cluster.ray_session import ray_session
from jobs.command.progress import Silent
from jobs.embedding.embed_archive import embed_archive

GOAL = 0.9
UNIT_S, UNIT_BYTES = 600, 250_000  # the default of speech; a quarter of the default of text, so that there are several
PAUSE_S = 0.6  # between prompts, as on the radio
RECORDING_S = 1200


def pipeline_rows(minutes: int) -> list[Row]:
    """Rows for `minutes` of speech, and for text that takes about as long; one without numbers if no S3 server runs."""
    try:
        with on_s3() as place:
            return [
                *_rows("speech", "audio-s/s", _speech(place, minutes)),
                *_rows("text", "bytes/s", _text(place, minutes)),
            ]
    except DataUnavailable as error:
        return [Row("whole pipeline, S3 to S3", "encoding alone", 0.0, None, "audio-s/s", GOAL, str(error))]


class Clock(Silent):
    """Records the time and the amount of each commit."""

    def __init__(self) -> None:
        self.commits: list[tuple[float, float]] = []

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        self.commits.append((time.monotonic(), sound_s or text_bytes))

    def pace(self, workers: int) -> float:
        """Amount a second, from the time when each worker has committed once to the last commit."""
        (start, _), rest = self.commits[workers - 1], self.commits[workers:]
        return sum(amount for _, amount in rest) / (rest[-1][0] - start)


def _rows(what: str, unit: str, spec: EmbedSpec) -> list[Row]:
    before = alone(spec)
    one = pipeline(spec, 1)
    base = mean([before, alone(spec)])  # the speed of the machine may have changed meanwhile
    rows = [
        Row(f"{what}: whole pipeline, S3 to S3, one worker", "encoding alone in one process", one, base, unit, GOAL)
    ]
    if len(os.sched_getaffinity(0)) > 1:
        rows.append(Row(f"{what}: whole pipeline, two workers", "one worker", pipeline(spec, 2), one, unit))
    return rows


def pipeline(spec: EmbedSpec, workers: int) -> float:
    """Pace of `deglu embed` into an output of its own."""
    clock = Clock()
    changed = {"workers": workers, "output": f"{spec.output}-{workers}-{time.monotonic_ns()}"}
    with ray_session(workers):
        embed_archive(spec.model_copy(update=changed), clock)
    return clock.pace(workers)


def alone(spec: EmbedSpec) -> float:
    """Pace of encoding segments that are cut already, unit by unit as in the pipeline, in this process."""
    model = resolve_model(spec.model)
    words = words_of(model.spec.text.name)
    cutting = Cutting(spec.segment, spec.passage, words.digest)
    units = plan_units(list_assets(spec.inputs), cutting)
    stage = cut_stage(cutting, words)
    cuts = [stage.run(units.slice(place, 1)) for place in range(min(units.num_rows, 3))]
    with one_thread():
        encode = EncodeUnits(load_model(model, "cpu", spec.precision), lambda *_: None)
        encode(cuts[0])
        began = time.monotonic()
        for cut in cuts:
            encode(cut)
        took_s = time.monotonic() - began
    planned: int = sum(units.slice(0, len(cuts))["planned"].to_pylist())
    return float(planned) / took_s / (1000 if units["modality"][0].as_py() == "speech" else 1)


@contextmanager
def on_s3() -> Iterator[str]:
    """A url on a new server; inside the context the AWS_* variables point to it."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with tempfile.TemporaryDirectory() as folder, S3Server(Path(folder)) as server:
        for name in before:
            del os.environ[name]
        mine = {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        os.environ.update(mine)
        try:
            yield "s3://test"
        finally:
            for name in mine:
                del os.environ[name]
            os.environ.update(before)


def _speech(place: str, minutes: int) -> EmbedSpec:
    """Recordings of twenty minutes: prompts, with pauses."""
    prompts, _ = waves(400)
    pause = np.zeros(int(PAUSE_S * SAMPLE_RATE), np.float32)
    signal = np.concatenate([part for prompt in prompts for part in (prompt, pause)])
    signal = np.resize(signal, minutes * 60 * SAMPLE_RATE)
    for number, first in enumerate(range(0, len(signal), RECORDING_S * SAMPLE_RATE)):
        part = signal[first : first + RECORDING_S * SAMPLE_RATE]
        write_bytes(f"{place}/radio/{number:02d}.flac", _flac(part))
    return _spec(place, "radio")


def _text(place: str, minutes: int) -> EmbedSpec:
    some, _ = texts(minutes * 200)
    lines = (json.dumps({"_id": str(number), "text": text}) for number, text in enumerate(some))
    write_bytes(f"{place}/articles/corpus.jsonl", "\n".join(lines).encode())
    return _spec(place, "articles")


def _spec(place: str, name: str) -> EmbedSpec:
    return EmbedSpec.parse(
        {
            "inputs": [{"url": f"{place}/{name}"}],
            "output": f"{place}/vectors-{name}",
            "segment": {"unit_s": UNIT_S},
            "passage": {"unit_bytes": UNIT_BYTES},
            "device": "cpu",
        }
    )


def _flac(signal: FloatArray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, signal, SAMPLE_RATE, format="FLAC")
    return file.getvalue()
