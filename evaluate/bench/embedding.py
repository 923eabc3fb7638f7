"""Embedding beside its peers, on one thread: texts to vectors, and speech through the speech tower.

Texts go through `LateFusion.encode` (sorted by length, batches of a token budget) and through plain transformers in
arrival order; the vectors must be equal.  Speech goes through the tower at its true length and padded to the 30 s
of Whisper's own extractor; the frames are not equal, since theirs attend to the padding: the row tells how near.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DegluError
from embed.model.directory import assemble
from embed.model.late_fusion import SECONDS_BUDGET, LateFusion, by_budget
from embed.model.packaged import resolve
from embed.model.spec import EncoderSpec, SpeechTowerSpec
from embed.model.speech_tower import SpeechTower
from evaluate.bench.command import run_one
from evaluate.bench.samples import texts, waves
from evaluate.bench.shape import Row, document
from evaluate.bench.timing import interleaved, one_thread

TEXTS = 256
TEXTS_PER_WAVE = 16  # a padded wave costs as much as some thirty texts
BATCH = 32
BATCH_SPEECH = 8
EQUAL = 0.9999  # lowest cosine of two vectors that count as equal, in float32
PREFIX = "passage: "
E5, WHISPER = "packaged:multilingual-e5-small", "packaged:whisper-base"
PACKAGES = ("torch", "transformers", "sentence-transformers")

Encode = Callable[[], FloatArray]


def bench(n: int | None = None) -> dict[str, Any]:
    """n texts, and one wave for every 16 of them.  Raises DataUnavailable without the packaged weights."""
    count = n or TEXTS
    with one_thread():
        rows = [*text_rows(count), *speech_rows(max(1, count // TEXTS_PER_WAVE))]
    return document("embedding", rows, PACKAGES)


def text_rows(n: int) -> list[Row]:
    """texts/cpu-s; raises DegluError where a peer's vectors differ from ours."""
    some, real = texts(n)
    model = assemble(EncoderSpec.parse({"text": {"name": E5, "pooling": "mean", "document": PREFIX}, "dims": [384]}))
    ways: dict[str, Encode] = {
        "ours": lambda: model.encode(some, "document"),
        f"transformers, arrival order, batches of {BATCH}": lambda: plain(model, some),
    }
    if find_spec("sentence_transformers"):
        ways[f"sentence-transformers, batches of {BATCH}"] = sentence_transformers(some)
    check_equal({name: encode() for name, encode in ways.items()})
    spent = interleaved(ways)
    measure = f"{n} {'' if real else 'made-up '}texts to vectors"
    speeds = {name: n / seconds for name, seconds in spent.items()}
    ours = speeds.pop("ours")
    rows = [Row(measure, name, ours, theirs, "texts/cpu-s") for name, theirs in speeds.items()]
    if not find_spec("sentence_transformers"):
        rows.append(
            Row(measure, "sentence-transformers", ours, None, "texts/cpu-s", reason="not installed: deglu[export]")
        )
    return rows


def speech_rows(n: int) -> list[Row]:
    """audio-s/cpu-s of the speech tower alone."""
    some, real = waves(n)
    tower = SpeechTower.load(SpeechTowerSpec.parse({"name": WHISPER}))
    ways: dict[str, Encode] = {"ours": lambda: true_lengths(tower, some), "padded": lambda: padded(tower, some)}
    near = float(cosines(*(encode() for encode in ways.values())).mean())
    spent = interleaved(ways)
    audio_s = sum(len(wave) for wave in some) / SAMPLE_RATE
    what = f"{n} {'recordings' if real else 'made-up waves'} of {audio_s / n:.1f} s on average to frames"
    return [
        Row(
            f"{what}, cosine of their means {near:.3f}",
            f"transformers, padded to 30 s, batches of {BATCH_SPEECH}",
            audio_s / spent["ours"],
            audio_s / spent["padded"],
            "audio-s/cpu-s",
        )
    ]


def plain(model: LateFusion, some: Sequence[str]) -> FloatArray:
    """[n, D] of the same tower and tokenizer, asked as its card says: padded batches, mean pooling."""
    found = []
    for batch in batches(some, BATCH):
        tokens = model.text.tokenizer(
            [PREFIX + text for text in batch], padding=True, truncation=True, max_length=512, return_tensors="pt"
        )
        with torch.inference_mode():
            states = model.text.model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            found.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy())
    return np.concatenate(found)


def sentence_transformers(some: Sequence[str]) -> Encode:
    """The same weights behind sentence-transformers, which sorts by length and counts rows."""
    # A folder of plain transformers gets mean pooling, in every version of the library.
    model: Any = import_module("sentence_transformers").SentenceTransformer(resolve(E5), device="cpu")
    prefixed = [PREFIX + text for text in some]
    return lambda: model.encode(prefixed, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)


def true_lengths(tower: SpeechTower, some: Sequence[FloatArray]) -> FloatArray:
    """Means over time [n, L*H] of the tower's frames, in batches of the seconds that the product takes."""
    means = np.empty((len(some), tower.width), np.float32)
    for group in by_budget([len(wave) for wave in some], int(SECONDS_BUDGET * SAMPLE_RATE)):
        with torch.inference_mode():
            frames, lengths = tower([some[i] for i in group])
            means[group] = (frames.sum(1) / lengths[:, None]).numpy()
    return means


def padded(tower: SpeechTower, some: Sequence[FloatArray]) -> FloatArray:
    """The same means, of frames of the same encoder on 30 s each, cut to the speech afterwards."""
    found = []
    for batch in batches(some, BATCH_SPEECH):
        mels = tower.extractor(batch, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        with torch.inference_mode():
            states = tower.model(mels, output_hidden_states=True).hidden_states
        frames = torch.cat([states[layer] for layer in tower.layers], dim=-1)
        ends = [max(1, 50 * len(wave) // SAMPLE_RATE) for wave in batch]
        found += [one[:end].mean(0).numpy() for one, end in zip(frames, ends, strict=True)]
    return np.stack(found)


def batches(some: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, len(some), size):
        yield list(some[first : first + size])


def check_equal(vectors: dict[str, FloatArray]) -> None:
    """Raises DegluError where a way's vectors differ from the first way's: a speed of other vectors says nothing."""
    (first, expected), *others = vectors.items()
    for name, found in others:
        lowest = float(cosines(expected, found).min())
        if not lowest >= EQUAL:
            raise DegluError(
                f"vectors of {name!r} and {first!r} differ: lowest cosine {lowest:.6f}, want {EQUAL}; "
                "mend the slower side before comparing speeds"
            )


def cosines(some: FloatArray, others: FloatArray) -> FloatArray:
    """[n] of rows in pairs."""
    norms = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    found: FloatArray = np.einsum("nd,nd->n", some, others) / norms
    return found


if __name__ == "__main__":
    sys.exit(run_one("embedding", bench))
