"""Embedding against its peers, on the same checkpoints: texts, speech and, where there is one, a GPU.

`n` texts, and one recording for every 16 of them.  Each section is a module: `text`, `speech`, `gpu`, and from 512
texts on `cut` (sound in front of the encoder) and `pipeline`, which take minutes.
"""

import sys
from typing import Any

import torch

from evaluate.bench.command import run_one
from evaluate.bench.embed.cut import cut_rows
from evaluate.bench.embed.gpu import gpu_rows
from evaluate.bench.embed.pipeline import pipeline_rows
from evaluate.bench.embed.speech import speech_rows
from evaluate.bench.embed.text import text_rows
from evaluate.bench.shape import document
from evaluate.bench.timing import one_thread

TEXTS = 512
MINUTES = 60  # of speech through the whole pipeline, and about as many of text
TEXTS_PER_WAVE = 16  # a padded wave costs as much as some thirty texts
PACKAGES = ("torch", "transformers", "sentence-transformers")


def bench(n: int | None = None) -> dict[str, Any]:
    """The rows of all sections.  Raises DataUnavailable without the packaged weights."""
    count = n or TEXTS
    num_waves = max(1, count // TEXTS_PER_WAVE)
    with one_thread():
        rows = [*text_rows(count), *speech_rows(num_waves)]
    if torch.cuda.is_available():
        rows += gpu_rows(count, num_waves)
    if count >= TEXTS:
        with one_thread():
            rows += cut_rows()
        rows += pipeline_rows(MINUTES * count // TEXTS)
    return document("embed", rows, PACKAGES)


if __name__ == "__main__":
    sys.exit(run_one("embed", bench))
