"""The whole `deglu embed` with a GPU: recordings on disk, cut ahead on the CPUs, encoded, and written as Parquet."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from embed.spec import EmbedSpec
from evaluate.bench.embed.cut import stereo, write_by_ffmpeg
from evaluate.bench.embed.gpu import BUSY
from evaluate.bench.embed.pipeline import Clock
from evaluate.bench.gpu.production import saved
from evaluate.bench.gpu.sizes import Sizes
from evaluate.bench.shape import Row
from jobs.cluster.ray_session import ray_session
from jobs.embedding.embed_archive import embed_archive

RATE = 44_100
UNIT_S = 120.0  # short, so that all cores have units from the beginning
QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200")


def pipeline_rows(sizes: Sizes) -> Iterator[Row]:
    """Pace from the first commit to the last, and the share of that time in which the GPU computes."""
    clock = Clock()
    with TemporaryDirectory(prefix="deglu-gpu-") as place, ray_session(None if sizes.device == "cuda" else 2):
        spec = _spec(Path(place), sizes)
        with utilisation() as samples:
            embed_archive(spec, clock)
    times = [at for at, _ in clock.commits]
    cores = len(os.sched_getaffinity(0))
    what = f"{sizes.recordings} mp3 of {sizes.minutes:g} min, cut ahead on {cores} cores, encoded, written as Parquet"
    yield Row(what, "real time", clock.pace(1), 1.0, "audio-s/s")
    within = [share for at, share in samples if times[0] <= at <= times[-1]]
    if within:
        yield Row(f"{what}: share of the time the GPU is busy", "all", sum(within) / len(within), 1.0, "", BUSY)
    else:
        reason = "nvidia-smi gave no number between the first commit and the last"
        yield Row(f"{what}: share of the time the GPU is busy", "all", 0.0, None, "", BUSY, reason)


@contextmanager
def utilisation() -> Iterator[list[tuple[float, float]]]:
    """Times and shares in which the device was busy, filled while the context lasts; empty without nvidia-smi."""
    found: list[tuple[float, float]] = []
    if shutil.which(QUERY[0]) is None:
        yield found
        return
    process = subprocess.Popen(QUERY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = process.stdout

    def read() -> None:
        found.extend((time.monotonic(), int(line) / 100) for line in lines if line.strip().isdigit())

    reader = Thread(target=read, daemon=True)
    reader.start()
    try:
        yield found
    finally:
        process.terminate()
        process.wait()
        reader.join()


def _spec(folder: Path, sizes: Sizes) -> EmbedSpec:
    sound, model = folder / "radio", saved(folder, sizes)
    sound.mkdir()
    first = sound / "00.mp3"
    write_by_ffmpeg(first, "mp3", stereo(sizes.minutes, RATE), RATE)
    for number in range(1, sizes.recordings):
        shutil.copyfile(first, sound / f"{number:02d}.mp3")
    return EmbedSpec.parse(
        {
            "inputs": [{"url": str(sound)}],
            "output": str(folder / "vectors"),
            "model": model,
            "segment": {"unit_s": UNIT_S},
            "device": "gpu" if sizes.device == "cuda" else "cpu",
            "workers": 1,
            "cut_ahead": True,
        }
    )
