"""Strategy and features of a lesson: the same in every worker, and in the driver."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from embed.model.towers.speech import SpeechTower
from embed.model.weights import assemble
from evaluate.measures.metrics import ndcg_at_10
from jobs.training.frozen_side import frozen_side, frozen_targets
from train.curate.clip import Clip
from train.curate.text_pairs import TextPair
from train.frozen.features import Features, Shard, UncachedFeatures
from train.spec import TrainSpec
from train.strategies.dual import DualStrategy
from train.strategies.late_fusion import LateFusionStrategy
from train.strategies.text import TextStrategy

AnyStrategy = LateFusionStrategy | DualStrategy | TextStrategy


@dataclass(frozen=True)
class Lesson:
    """Input of the workers apart from the spec: the examples of training, followed by those of dev."""

    clips: tuple[Clip, ...]  # of speech; () for the text strategy
    pairs: tuple[TextPair, ...]  # of texts; () for the others
    num_train: int
    work: str  # url below which frozen features and vectors are kept
    shards: tuple[Shard, ...] = ()  # of the clips' features

    @property
    def train(self) -> range:
        return range(self.num_train)

    @property
    def dev(self) -> range:
        return range(self.num_train, len(self.clips) or len(self.pairs))

    def with_shards(self, shards: Sequence[Shard]) -> "Lesson":
        return replace(self, shards=tuple(shards))


def strategy_of(spec: TrainSpec, lesson: Lesson, device: str = "cpu") -> AnyStrategy:
    """The untrained strategy, with its weights initialised by the seed.  `ridge` is a dual one that is not trained."""
    torch.manual_seed(spec.seed)
    if spec.strategy == "text":
        train, dev = lesson.pairs[: lesson.num_train], lesson.pairs[lesson.num_train :]
        return TextStrategy(assemble(spec.encoder), train, dev, spec, ndcg_at_10, device)
    model = frozen_side(spec, lesson.clips[: lesson.num_train], lesson.work, device)
    targets = frozen_targets(spec, model, lesson.clips, lesson.work)
    strategy_class = LateFusionStrategy if spec.strategy == "late-fusion" else DualStrategy
    features = features_of(spec, lesson, device)
    return strategy_class(model, features, targets, lesson.train, lesson.dev, spec, ndcg_at_10, device, lesson.clips)


def features_of(spec: TrainSpec, lesson: Lesson, device: str = "cpu") -> Features:
    """By `features.cache`: computed before the training, kept at first use, or computed at each use."""

    def tower() -> SpeechTower:
        assert spec.encoder.speech is not None
        return SpeechTower.load(spec.encoder.speech).to(device)

    if spec.features.cache == "off":
        return UncachedFeatures(lesson.shards, len(lesson.clips), tower)
    return Features(lesson.shards, len(lesson.clips), tower if spec.features.cache == "on-the-fly" else None)
