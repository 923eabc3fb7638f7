"""Encoding on a GPU with a random model of the production's size: texts, speech, memory, and too little memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from embed.encoder import SAMPLE_RATE
from embed.model.joint import JointEncoder
from evaluate.bench.embed.gpu import BUSY, busy, matrix_rate, seconds
from evaluate.bench.embed.samples import texts, waves
from evaluate.bench.embed.text import NEAR, cosines
from evaluate.bench.gpu.production import encoder
from evaluate.bench.gpu.sizes import Sizes
from evaluate.bench.shape import Row

TOKENS_PER_S, TIMES_REAL = 350_000, 6_000  # goals
WHOLE = 1 << 22  # a budget that puts everything into one pass
SPARE_BYTES = 2 << 30  # above the weights, where memory is to run out


def encode_rows(sizes: Sizes) -> Iterator[Row]:
    """Rates and shares of the arithmetic: texts first, then speech; then the peak of memory."""
    model = encoder(sizes)
    rate = matrix_rate(sizes.device, sizes.matrix)
    some, _ = texts(sizes.texts)
    tokens = sum(len(one) for one in model.text.tokens(some, "document"))
    what = f"{len(some)} texts of {tokens / len(some):.0f} tokens on average, Qwen3-0.6B's size, bfloat16"
    yield from _of(what, "tokens/s", tokens, TOKENS_PER_S, lambda: model.encode(some, "document"), rate, sizes)
    recorded, _ = waves(sizes.waves)
    audio_s = sum(map(len, recorded)) / SAMPLE_RATE
    what = (
        f"{len(recorded)} recordings of {audio_s / len(recorded):.1f} s on average, HuBERT base and the same, bfloat16"
    )
    yield from _of(what, "audio-s/s", audio_s, TIMES_REAL, lambda: model.encode(recorded, "document"), rate, sizes)
    if sizes.device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        peak = torch.cuda.max_memory_allocated()
        yield Row("peak memory of both", "all of the device", peak / 1e9, total / 1e9, "GB",
                  lower_is_better=True)  # fmt: skip


def _of(
    what: str, unit: str, amount: float, goal: float, way: Callable[[], object], rate: float, sizes: Sizes
) -> Iterator[Row]:
    """Rows of one way to spend the device's time."""
    spent = seconds(way, sizes.device, sizes.rounds)
    yield Row(what, "the goal", amount / spent, goal, unit, 1.0)
    with FlopCounterMode(display=False) as counted:
        way()
    reached = counted.get_total_flops() / spent
    yield Row(f"{what}: share of the arithmetic", f"one product of matrices, {rate / 1e12:.3g} Tflop/s",
              reached / 1e12, rate / 1e12, "Tflop/s")  # fmt: skip
    if sizes.device == "cuda":
        yield Row(f"{what}: share of the time it computes", "all", busy(way), 1.0, "", BUSY)


def compiled_rows(sizes: Sizes) -> Iterator[Row]:
    """`compile: true` against the plain towers: speed, and the lowest cosine between the two."""
    model = encoder(sizes)
    batches: list[tuple[str, Any]] = [("texts", texts(sizes.texts)[0]), ("recordings", waves(sizes.waves)[0])]
    expected = [model.encode(batch, "document") for _, batch in batches]
    plain_s = [seconds(partial(model.encode, batch, "document"), sizes.device, sizes.rounds) for _, batch in batches]
    model.compile_towers(sizes.compiler)
    for (what, batch), rows, before_s in zip(batches, expected, plain_s, strict=True):
        found = model.encode(batch, "document")
        spent_s = seconds(partial(model.encode, batch, "document"), sizes.device, sizes.rounds)
        name = f"{len(batch)} {what}, towers compiled by {sizes.compiler}, bfloat16"
        yield Row(name, "the plain towers", len(batch) / spent_s, len(batch) / before_s, f"{what}/s")
        lowest = float(cosines(rows, found).min())
        yield Row(f"{name}: lowest cosine to the plain towers", "equal", lowest, 1.0, "", NEAR)


def halving_rows(sizes: Sizes) -> Iterator[Row]:
    """Everything in one pass and too little memory for it: the pass is halved, and the vectors stay."""
    model = encoder(sizes)
    some, _ = texts(sizes.texts)
    expected = model.encode(some, "document")
    model.tokens_at_once.size = WHOLE
    with _little_memory(model, sizes):
        found = model.encode(some, "document")
    halvings, lowest = model.tokens_at_once.halvings, float(cosines(expected, found).min())
    what = f"lowest cosine after memory ran out and the pass was halved {halvings} times: {lowest:.6f}"
    yield Row(what, "enough memory", lowest if halvings else 0.0, 1.0, "", NEAR)


@contextmanager
def _little_memory(model: JointEncoder, sizes: Sizes) -> Iterator[None]:
    """Memory that a large pass does not fit in; on a CPU, where it cannot be limited, torch's error for many rows."""
    if sizes.device == "cuda":
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + SPARE_BYTES) / total)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return
    pooled = model.text.pooled

    def refusing(mask: torch.Tensor, **given: Any) -> torch.Tensor:
        if len(mask) > 1 + sizes.texts // 4:
            raise torch.OutOfMemoryError("a rehearsal: too many rows")
        return pooled(mask, **given)

    model.text.pooled = refusing  # type: ignore[method-assign]
    try:
        yield
    finally:
        model.text.pooled = pooled  # type: ignore[method-assign]
