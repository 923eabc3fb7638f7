"""Encoding on a GPU, by the clock: tokens and seconds of audio a second in bfloat16, against the peer and the ceiling.

The ceiling is the rate of one large product of matrices on the same device; a tower's share of it counts two operations
for every weight and token, without attention.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from embed.encoder import SAMPLE_RATE
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from evaluate.bench.embed.samples import texts, waves
from evaluate.bench.embed.text import GRID, sentence_transformers, tower
from evaluate.bench.shape import Row

ROUNDS = 5
SIDE = 8192  # of the matrices
BUSY = 0.9  # goal: share of the time in which the device computes
TEXTS_MORE, WAVES_MORE = 32, 16  # times what a CPU gets
LARGER = (128, 512)  # batches, in addition to those of a CPU


def gpu_rows(num_texts: int, num_waves: int) -> list[Row]:
    """Rows for the device of this machine."""
    return [*_text_rows(num_texts * TEXTS_MORE), *_speech_rows(num_waves * WAVES_MORE)]


def _text_rows(n: int) -> list[Row]:
    some, _ = texts(n)
    model = tower(None).to("cuda").for_inference("bfloat16")
    tokens = sum(len(one) for one in model.text.tokens(some, "document"))
    what = f"{n} texts to vectors on a GPU, bfloat16"
    ours_s = seconds(lambda: model.encode(some, "document"))
    theirs, reason = None, "not installed: deglu[bench]"
    peer = "sentence-transformers"
    if find_spec("sentence_transformers"):
        ways = {size: sentence_transformers(some, "bfloat16", size, "cuda") for size in (*GRID[2:], *LARGER)}
        spent = {size: seconds(way) for size, way in ways.items()}
        size = min(spent, key=spent.__getitem__)
        theirs, peer = tokens / spent[size], f"{peer}, bfloat16, batches of {size}"
    ceiling = matrix_rate()
    reached = 2 * weights(model.text.model) * tokens / ours_s
    return [
        Row(what, peer, tokens / ours_s, theirs, "tokens/s", reason=None if theirs else reason),
        Row(what, "one large product of matrices", reached / 1e12, ceiling / 1e12, "Tflop/s"),
        Row(f"{what}, share of the time it computes", "all", busy(lambda: model.encode(some, "document")), 1, "", BUSY),
    ]


def _speech_rows(n: int) -> list[Row]:
    some, _ = waves(n)
    model = load_model(resolve_model("demo"), "cuda", "bfloat16")
    audio_s = sum(len(wave) for wave in some) / SAMPLE_RATE
    what = f"{n} recordings to vectors on a GPU, bfloat16"
    exact = load_model(resolve_model("demo"), "cuda")
    ours = audio_s / seconds(lambda: model.encode(some, "document"))
    theirs = audio_s / seconds(lambda: exact.encode(some, "document"))
    return [
        Row(what, "ours in float32", ours, theirs, "audio-s/s"),
        Row(f"{what}, share of the time it computes", "all", busy(lambda: model.encode(some, "document")), 1, "", BUSY),
    ]


def seconds(way: Callable[[], object], device: str = "cuda", rounds: int = ROUNDS) -> float:
    """Median seconds by the clock, after one round to warm up, including all work of the device."""
    spent = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        way()
        if device == "cuda":
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - began)
    return median(spent[1:])


def busy(way: Callable[[], object]) -> float:
    """Share of a run's time in which the device computes."""
    way()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        began = time.perf_counter()
        way()
        torch.cuda.synchronize()
        spent = time.perf_counter() - began
    return sum(float(event.self_device_time_total) for event in seen.key_averages()) / 1e6 / spent


def matrix_rate(device: str = "cuda", side: int = SIDE) -> float:
    """Operations a second of a large bfloat16 product."""
    one = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    return 2 * side**3 / seconds(lambda: one @ one, device)


def weights(model: Any) -> int:
    """Number of weights, without tables of embeddings."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    return sum(value.numel() for value in model.parameters() if id(value) not in tables)
