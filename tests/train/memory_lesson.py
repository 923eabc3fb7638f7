"""Strategies over the tiny lesson, all in memory: tones through a tiny random speech tower, sentences as targets."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embed.encoder import FloatArray
from embed.model.joint import JointEncoder
from embed.model.towers.speech import SpeechTower
from embed.model.transform import fit
from embed.model.weights import assemble
from tests.towers import Tiny, encoder_values
from tests.train.lesson import PITCHES_HZ, SENTENCES, lesson_spec, tone
from train.frozen.targets import Targets, encode_texts
from train.spec import TrainSpec
from train.strategies.dual import DualStrategy
from train.strategies.late_fusion import LateFusionStrategy
from train.strategy import Metric

CLIPS, TRAIN, DEV = 80, range(64), range(64, 80)
LANGS = ("en", "fr")


class MemoryFeatures:
    """`train.strategies.late_fusion.ClipFeatures` of tensors: clip i is of pitch i mod 8; view 1 is a frame late."""

    def __init__(self, frames: Sequence[Tensor], waves: Sequence[FloatArray]) -> None:
        self.rows, self.waves = list(frames), list(waves)

    def num_views(self, clip: int) -> int:
        return 2

    def frames(self, clip: int, view: int = 0) -> Tensor:
        return self.rows[clip].roll(-view, 0)

    def wave(self, clip: int, view: int = 0) -> FloatArray:
        return self.waves[clip]

    def length(self, clip: int, view: int = 0) -> int:
        return len(self.rows[clip])

    def spread(self, clips: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
        frames = torch.cat([self.rows[clip] for clip in clips])
        return frames.mean(0), frames.std(0).clamp_min(1e-4)


class MemoryLesson(NamedTuple):
    """A lesson, and whom to teach it."""

    spec: TrainSpec
    features: MemoryFeatures
    targets: Targets
    make: Callable[[TrainSpec], JointEncoder]

    def strategy(
        self, spec: TrainSpec | None = None, features: MemoryFeatures | None = None, metric: Metric | None = None
    ) -> LateFusionStrategy:
        """Late fusion, or the dual where the spec has a head; untrained, the same every time."""
        spec = spec or self.spec
        kind = DualStrategy if spec.encoder.head is not None else LateFusionStrategy
        return kind(self.make(spec), features or self.features, self.targets, TRAIN, DEV, spec, metric or first_right)

    def with_(self, **changed: dict[str, Any]) -> TrainSpec:
        """The spec with some fields of its parts changed: `optimiser={"epochs": 1}`."""
        parts = {name: getattr(self.spec, name).model_copy(update=fields) for name, fields in changed.items()}
        return self.spec.model_copy(update=parts)


def memory_lesson(tiny: Tiny) -> MemoryLesson:
    spec = lesson_spec(tiny)
    assert spec.encoder.speech is not None
    tower = SpeechTower.load(spec.encoder.speech)
    waves = [tone(number % len(PITCHES_HZ), number) for number in range(CLIPS)]
    frames = []
    with torch.inference_mode():
        for wave in waves:
            found, lengths = tower([wave])
            frames.append(found[0, : int(lengths[0])].clone())
    made = _Maker(tiny)
    texts = [(lang, sentence) for lang in LANGS for sentence in SENTENCES[lang]]
    own = [{lang: number % 8 + 8 * i for i, lang in enumerate(LANGS)} for number in range(CLIPS)]
    spoken = [own[number][LANGS[number // 8 % 2]] for number in range(CLIPS)]
    targets = Targets([lang for lang, _ in texts], encode_texts(made(spec), texts), list(own), spoken)
    return MemoryLesson(spec, MemoryFeatures(frames, waves), targets, made)


class _Maker:
    """Models with the transform fitted on random words; made anew each time, the transform fitted once."""

    def __init__(self, tiny: Tiny) -> None:
        plain = assemble(lesson_spec(tiny).encoder.model_validate(encoder_values(tiny, speech=None)))
        chance = np.random.default_rng(0)
        words = ["".join(chance.choice(list("abcdefghijklmnop "), 12)) for _ in range(100)]
        self._transform = fit(torch.from_numpy(plain.encode(words, "document"))).state_dict()

    def __call__(self, spec: TrainSpec) -> JointEncoder:
        torch.manual_seed(spec.seed)
        model = assemble(spec.encoder)
        assert model.transform is not None
        model.transform.load_state_dict(self._transform)
        return model


def first_right(scores: Any, right: Any) -> NDArray[np.float64]:
    """1 for a query whose best answer is right, else 0; `evaluate` is not at hand here."""
    best = np.asarray(scores).argmax(1)
    sets = [set(one) if isinstance(one, (set, list)) else {int(one)} for one in right]
    return np.asarray([float(int(answer) in wanted) for answer, wanted in zip(best, sets, strict=True)])
