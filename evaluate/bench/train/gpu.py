"""Late fusion at the production size on a GPU: Qwen3-Embedding-0.6B's shape behind HuBERT-base's layers, all random.

Samples a second, the share of the device's arithmetic that the model uses, memory.  Operations are two for every weight
and position forward; as many again for the gradient of the inputs, and for the gradient of a trained weight.  Those of
attention are not counted, so the reported share is too low rather than too high.
"""

from collections.abc import Iterator
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from embed.model.joint import JointEncoder
from embed.model.towers.text import TextTower
from evaluate.bench.embed.gpu import matrix_rate, weights
from evaluate.bench.embed.samples import SEED
from evaluate.bench.shape import Row
from evaluate.bench.train.lesson import MadeUpFeatures, made_up_targets
from evaluate.measures.metrics import ndcg_at_10
from train.events import StepDone
from train.fit.loop import run
from train.fit.parallel import ONE_WORKER, Workers
from train.spec import TrainSpec
from train.strategies.late_fusion import LateFusionStrategy

QWEN3 = {
    "vocab_size": 151_669,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 32_768,
    "pad_token_id": 0,
}
HUBERT = {"layers": 12, "width": 768}
FRAMES_PER_S, POOL = 50, 2
CLIP_S = 10.0
DIMS = (1024, 512, 256, 128)
BATCH, WARM, TIMED = 128, 5, 20
GOAL = 0.40
# Dense bfloat16, as the makers specify; any other device is measured by one large product of matrices.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12}


def gpu_rows(batch: int = BATCH, timed: int = TIMED) -> list[Row]:
    """Rows for the device of this machine."""
    torch.cuda.reset_peak_memory_stats()
    spec = gpu_spec(batch)
    strategy, frames = lesson(spec, WARM + timed + 2, "cuda")
    seconds = median(list(islice(step_seconds(strategy, spec), WARM + timed))[WARM:])
    peak, named = ceiling()
    reached = operations(strategy.model, frames) * batch / seconds
    memory_gb = torch.cuda.max_memory_allocated() / 1e9
    total_gb = torch.cuda.get_device_properties(0).total_memory / 1e9
    what = f"late fusion of Qwen3-0.6B's size, batches of {batch} clips of {CLIP_S:g} s, cached features, bfloat16"
    return [
        Row(what, "none", batch / seconds, None, "samples/s", reason="there is no peer; this is our own speed"),
        Row(f"{what}, share of the arithmetic", named, reached / peak, 1.0, "", GOAL),
        Row(f"{what}, peak memory", "all of the device", memory_gb, total_gb, "GB", lower_is_better=True),
    ]


def gpu_spec(batch: int) -> TrainSpec:
    fusion = {"width": 1024, "frame_pool": POOL, "strides": [2], "activation": True, "output_norm": True}
    text = {"name": "random", "pooling": "last", "query": "Instruct: {task}\nQuery: ", "task": "find what answers"}
    values = {
        "encoder": {"text": text, "speech": {"name": "random"}, "fusion": fusion, "dims": list(DIMS)},
        "sources": [{"name": "asterisk", "langs": ["en", "fr"]}],
        "output": "nowhere",
        "optimiser": {"epochs": 1, "batch": batch},
        "checkpoints": {"every_steps": 1000},
        "seed": SEED,
    }
    return TrainSpec.parse(values)


def lesson(
    spec: TrainSpec, steps: int, device: str, text: dict[str, int] = QWEN3, clip_s: float = CLIP_S
) -> tuple[LateFusionStrategy, int]:
    """The strategy on a random model, and the frames of a clip."""
    torch.manual_seed(SEED)
    tower = TextTower(spec.encoder.text, Qwen3Model(Qwen3Config(**text)), tokenizer())
    # Features are computed already: of the speech tower only its width is needed.
    speech: Any = nn.Module()
    speech.width = HUBERT["layers"] * HUBERT["width"]
    model = JointEncoder(spec.encoder, tower, speech).to(device)
    num, frames = steps * spec.optimiser.batch, int(clip_s * FRAMES_PER_S) // POOL
    features = MadeUpFeatures([frames] * num, speech.width)
    targets = made_up_targets(num, model.dims[0])
    return LateFusionStrategy(model, features, targets, range(num), [], spec, ndcg_at_10, device), frames


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of words, all unknown, with an end token."""
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def step_seconds(
    strategy: LateFusionStrategy, spec: TrainSpec, device: str = "cuda", workers: Workers = ONE_WORKER
) -> Iterator[float]:
    """Seconds from the end of a step to the end of the next, including waiting for frames."""
    last = now(device)
    for event in run(strategy, spec, device=device, workers=workers):
        if isinstance(event, StepDone):
            done = now(device)
            yield done - last
            last = done


def operations(model: JointEncoder, frames: int) -> float:
    """Operations of one clip's forward and backward pass."""
    assert model.fusion is not None
    head, tail = model.text.frame("query")
    positions = frames
    for stride in model.fusion.spec.strides:
        positions = -(-positions // stride)
    frozen = 4 * weights(model.text.model) * (positions + len(head) + len(tail))
    linear = 4 * model.fusion.linear.weight.numel() * frames  # nothing before it requires a gradient
    convs, at = 0, frames
    for conv, stride in zip(model.fusion.convs, model.fusion.spec.strides or (1,), strict=True):
        at = -(-at // stride)
        convs += 6 * sum(value.numel() for value in conv.parameters()) * at
    return float(frozen + linear + convs)


def ceiling() -> tuple[float, str]:
    """Operations a second of the device in bfloat16, and the source of that number."""
    name = torch.cuda.get_device_name()
    for known, peak in PEAKS.items():
        if known in name:
            return peak, f"the peak of {name}, {peak / 1e12:.0f} Tflop/s"
    return matrix_rate(), f"one large product of matrices on {name}"


def now(device: str = "cuda") -> float:
    """The time in seconds, after the device has finished all its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return perf_counter()
