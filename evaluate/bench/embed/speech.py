"""Speech to frames and to vectors on one thread: the speech tower against plain transformers loops.

- The packaged Whisper: the library's own code pads every clip to 30 s, attends to the padding, and accepts nothing
  shorter.  So its frames differ from ours; the row has the cosine of their means.
- A HuBERT of the usual size with random weights: the library pads to the longest of a batch, the fairer peer.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.model.handle import resolve_model
from embed.model.joint import SECONDS_BUDGET
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.budget import by_budget
from embed.model.towers.precision import effective_precision, prepare_inference
from embed.model.towers.speech import SpeechTower
from embed.model.weights import load_model
from evaluate.bench.embed.samples import waves
from evaluate.bench.embed.text import Hardware, batches, cosines, drift_row
from evaluate.bench.shape import Row
from evaluate.bench.timing import interleaved

BATCH = 8
ROUNDS = 3  # a padded loop is slow
GOAL = 2.0
WHISPER = "packaged:whisper-base"
UNIT = "audio-s/cpu-s"

Encode = Callable[[], FloatArray]


def speech_rows(n: int) -> list[Row]:
    """Rows for frames of two families of towers, then for vectors of the demo model."""
    some, real = waves(n)
    audio_s = sum(len(wave) for wave in some) / SAMPLE_RATE
    what = f"{n} {'recordings' if real else 'made-up waves'} of {audio_s / n:.1f} s on average"
    return [*whisper_rows(some, audio_s, what), *hubert_rows(some, audio_s, what), *vector_rows(some, audio_s, what)]


def whisper_rows(some: Sequence[FloatArray], audio_s: float, what: str) -> list[Row]:
    """Rows against the library's clips of 30 s."""
    best = effective_precision("auto", "cpu")
    quick, theirs = whisper(best), whisper(None)
    ways: dict[str, Encode] = {
        "ours": lambda: true_lengths(quick, some),
        "theirs": lambda: padded_to_30_s(theirs, some),
    }
    near = float(cosines(*(encode() for encode in ways.values())).mean())
    spent = interleaved(ways, ROUNDS)
    measure = f"{what} to frames of Whisper, {best} (cosine of their means {near:.3f})"
    peer = f"transformers, float32, padded to 30 s, batches of {BATCH}"
    return [Row(measure, peer, audio_s / spent["ours"], audio_s / spent["theirs"], UNIT, GOAL)]


def hubert_rows(some: Sequence[FloatArray], audio_s: float, what: str) -> list[Row]:
    """Rows against padding to the longest of each batch in order of arrival, in float32 and in our precision."""
    best = effective_precision("auto", "cpu")
    quick = hubert(best)
    peers = {precision: hubert(None, getattr(torch, precision)) for precision in dict.fromkeys(("float32", best))}
    ways: dict[str, Encode] = {"ours": lambda: true_lengths(quick, some)}
    for precision, peer in peers.items():
        ways[precision] = lambda peer=peer: padded_to_longest(peer, some)  # type: ignore[misc]
    spent = interleaved(ways, ROUNDS)
    return [
        Row(
            f"{what} to frames of HuBERT base, {best}",
            f"transformers, {precision}, padded to the longest, batches of {BATCH}",
            audio_s / spent["ours"],
            audio_s / spent[precision],
            UNIT,
            GOAL if precision == "float32" else None,
        )
        for precision in peers
    ]


def vector_rows(some: Sequence[FloatArray], audio_s: float, what: str) -> list[Row]:
    """The demo model in both precisions: its speed and its drift."""
    best = effective_precision("auto", "cpu")
    quick, exact = load_model(resolve_model("demo"), precision=best), load_model(resolve_model("demo"))
    near = cosines(quick.encode(some, "document"), exact.encode(some, "document"))
    spent = interleaved(
        {"ours": lambda: quick.encode(some, "document"), "float32": lambda: exact.encode(some, "document")}, ROUNDS
    )
    speeds = {name: audio_s / seconds for name, seconds in spent.items()}
    return [
        Row(f"{what} to vectors, {best}", "ours in float32", speeds["ours"], speeds["float32"], UNIT),
        drift_row(f"lowest cosine of speech, {best}", near),
    ]


def whisper(precision: Hardware | None) -> SpeechTower:
    """The packaged Whisper's encoder; None leaves it as transformers loads it."""
    tower = SpeechTower.load(SpeechTowerSpec.parse({"name": WHISPER}))
    if precision is not None:
        prepare_inference(tower.model, precision)
    return tower


def hubert(precision: Hardware | None, dtype: torch.dtype = torch.float32) -> SpeechTower:
    """HuBERT base with random weights, the last layer's frames; with None as transformers has it, in `dtype`."""
    torch.manual_seed(0)
    config = HubertConfig()
    tower = SpeechTower(
        SpeechTowerSpec(name="HuBERT base", layers=(config.num_hidden_layers,)),
        HubertModel(config),
        Wav2Vec2FeatureExtractor(),
    )
    if precision is not None:
        prepare_inference(tower.model, precision)
    return tower.to(dtype) if precision is None else tower


def true_lengths(tower: SpeechTower, some: Sequence[FloatArray]) -> FloatArray:
    """Means over time [n, L*H] of the tower's frames, in batches of as many seconds as in `JointEncoder`."""
    means = np.empty((len(some), tower.width), np.float32)
    for group in by_budget([len(wave) for wave in some], int(SECONDS_BUDGET["cpu"] * SAMPLE_RATE)):
        with torch.inference_mode():
            frames, lengths = tower([some[i] for i in group])
            means[group] = (frames.sum(1) / lengths[:, None]).numpy()
    return means


def padded_to_30_s(tower: SpeechTower, some: Sequence[FloatArray]) -> FloatArray:
    """The same means, of frames of the same encoder on 30 s each, cut to the speech afterwards."""
    found = []
    for batch in batches(some, BATCH):
        mels = tower.extractor(batch, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        with torch.inference_mode():
            states = tower.model(mels, output_hidden_states=True).hidden_states
        frames = torch.cat([states[layer] for layer in tower.layers], dim=-1)
        found += _means(frames, batch)
    return np.stack(found)


def padded_to_longest(tower: SpeechTower, some: Sequence[FloatArray]) -> FloatArray:
    """Means of the last layer's frames, from batches that are padded to their longest clip."""
    found = []
    for batch in batches(some, BATCH):
        inputs = tower.extractor(batch, sampling_rate=SAMPLE_RATE, padding=True, return_tensors="pt")["input_values"]
        with torch.inference_mode():
            frames = tower.model(inputs.to(tower.model.dtype)).last_hidden_state
        found += _means(frames.float(), batch)
    return np.stack(found)


def _means(frames: torch.Tensor, batch: Sequence[FloatArray]) -> list[Any]:
    """Mean [F] of each clip in [B, T, F], without frames after its end."""
    ends = [max(1, 50 * len(wave) // SAMPLE_RATE) for wave in batch]
    return [one[:end].mean(0).numpy() for one, end in zip(frames, ends, strict=True)]
