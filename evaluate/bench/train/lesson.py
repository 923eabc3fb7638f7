"""A late fusion training for benches: the demo's towers and fusion, made-up frames as long as those of real prompts.

The content of frames does not change the cost of a step.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from embed.model.weights import assemble
from evaluate.bench.embed.samples import LONGEST_S, PROMPT, SEED
from evaluate.measures.metrics import ndcg_at_10
from train.frozen.features import Features
from train.frozen.targets import Targets
from train.spec import TrainSpec
from train.strategies.late_fusion import LateFusionStrategy

LANGS = ("en", "fr")
ENCODER = {
    "text": {"name": "packaged:multilingual-e5-small", "pooling": "mean", "query": "query: ", "document": "passage: "},
    "speech": {"name": "packaged:whisper-base"},
    "fusion": {
        "width": 320,
        "frame_pool": 2,
        "strides": [2, 2],
        "activation": True,
        "output_norm": True,
        "output_map": True,
    },
    "transform": True,
    "dims": [384, 256, 128, 64, 32],
}
FRAMES_PER_S = 25
POOL = 8192  # different frames: a clip is a stretch of them


def late_fusion_spec(batch: int) -> TrainSpec:
    """One epoch, so that nothing is scored before its end."""
    values = {
        "encoder": ENCODER,
        "sources": [{"name": "asterisk", "langs": list(LANGS)}],
        "target_langs": list(LANGS),
        "output": "nowhere",
        "optimiser": {"epochs": 1, "batch": batch, "warmup_steps": 5},
        "checkpoints": {"every_steps": 200},
    }
    return TrainSpec.parse(values)


def late_fusion(spec: TrainSpec, steps: int, device: str = "cpu") -> LateFusionStrategy:
    """The strategy over enough clips for `steps` steps; the same in every process."""
    torch.manual_seed(SEED)
    model = assemble(spec.encoder)
    num = steps * spec.optimiser.batch
    assert model.speech is not None
    features = MadeUpFeatures(prompt_lengths(num + spec.optimiser.batch), model.speech.width)
    dev = range(num, features.num_clips)
    targets = made_up_targets(features.num_clips, model.dims[0])
    return LateFusionStrategy(model, features, targets, range(num), dev, spec, ndcg_at_10, device)


def prompt_lengths(num: int) -> list[int]:
    """Numbers of frames, distributed like those of real prompts."""
    seconds = np.clip(np.random.default_rng(SEED).lognormal(*PROMPT, num), 0.3, LONGEST_S)
    return [max(1, int(one * FRAMES_PER_S)) for one in seconds]


class MadeUpFeatures(Features):
    """Noise as frames, in memory, as mapped shards are after their first read."""

    def __init__(self, lengths: Sequence[int], width: int) -> None:
        super().__init__([], len(lengths))
        self._lengths = list(lengths)
        self._pool = torch.randn(POOL, width, generator=torch.Generator().manual_seed(SEED)).half()
        begins = np.random.default_rng(SEED).integers(0, POOL - max(lengths), len(lengths))
        self._begins: list[int] = begins.tolist()

    @property
    def width(self) -> int:
        return self._pool.shape[1]

    def num_views(self, clip: int) -> int:
        return 1

    def length(self, clip: int, view: int = 0) -> int:
        return self._lengths[clip]

    def frames(self, clip: int, view: int = 0) -> Tensor:
        begin = self._begins[clip]
        return self._pool[begin : begin + self._lengths[clip]].float()


def made_up_targets(num_clips: int, width: int) -> Targets:
    """Each clip's text in every language, all of them different."""
    num = num_clips * len(LANGS)
    made = torch.Generator().manual_seed(SEED)
    vectors = [torch.nn.functional.normalize(torch.randn(num, width, generator=made), dim=-1) for _ in range(2)]
    own: list[Mapping[str, int]] = [
        {lang: place * num_clips + clip for place, lang in enumerate(LANGS)} for clip in range(num_clips)
    ]
    langs = [lang for lang in LANGS for _ in range(num_clips)]
    spoken = [positions["fr"] for positions in own]
    return Targets(langs, {"query": vectors[0], "document": vectors[1]}, own, spoken)
