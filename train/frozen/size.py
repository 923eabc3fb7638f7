"""Size of frozen features, from durations and the tower's configuration alone, without weights or sound.

The same numbers order the training's batches, so that batches are the same whether or not frames are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from embed.audio.decode import decode, probe
from embed.encoder import SAMPLE_RATE
from embed.errors import SpecError
from embed.model.spec import EncoderSpec, SpeechTowerSpec
from embed.model.towers.speech_families import Family, known_family
from train.curate.clip import Clip
from train.spec import FeatureSpec, ViewSpec

LENGTH_BYTES, SCALE_BYTES = 8, 4


@dataclass(frozen=True)
class FeatureSize:
    """Size of the computed features: dev and synthetic speech in the first view only, train in all."""

    clips: int
    hours: float  # of the recordings
    views: int
    frames: int
    bytes: int  # of all shards; 0 where nothing is kept


@dataclass(frozen=True)
class TowerShape:
    """Width, rate and limits of a speech tower's frames, from its configuration."""

    family: type[Family]
    config: Any
    width: int  # of the chosen layers together

    @property
    def longest_s(self) -> float:
        return self.family.longest_of(self.config)

    def frames(self, samples: int) -> int:
        """Frames of a wave of so many samples at 16 kHz, before averaging; 1 at least."""
        return max(1, self.family.frames(self.config, samples))


def feature_size(
    spec: EncoderSpec, clips: Sequence[Clip], features: FeatureSpec, num_train: int | None = None
) -> FeatureSize:
    """Size for the first `num_train` clips (training) in every view, and the clips after them (dev) in the first."""
    num_train = len(clips) if num_train is None else num_train
    lengths = [
        expected_length(spec, clip, view)
        for row, clip in enumerate(clips)
        for view in features.views[: num_views(clip, features, row < num_train)]
    ]
    hours = sum(seconds(clip) for clip in clips) / 3600
    per_frame, per_clip = _widths(spec, features)
    size = 0 if features.cache == "off" else sum(lengths) * per_frame + len(lengths) * per_clip
    return FeatureSize(len(clips), hours, len(features.views), sum(lengths), size)


def num_views(clip: Clip, features: FeatureSpec, in_training: bool) -> int:
    """Number of views in which a clip is used: one for dev, and for synthetic speech, whose voices differ."""
    return len(features.views) if in_training and not clip.synthetic else 1


def expected_length(spec: EncoderSpec, clip: Clip, view: ViewSpec) -> int:
    """Number of averaged frames of the clip in the view; the tower's own number may differ by one."""
    assert spec.speech is not None
    shape = tower_shape(spec.speech)
    played_s = min(seconds(clip) / view.speed, shape.longest_s)
    return -(-shape.frames(round(played_s * SAMPLE_RATE)) // frame_pool(spec))


def seconds(clip: Clip) -> float:
    """The clip's duration; measured where its source gives none."""
    return clip.duration_s if clip.duration_s is not None else _measured_s(clip.uri, clip.offset_s)


def frame_pool(spec: EncoderSpec) -> int:
    """Number of neighbouring frames that are averaged.  SpecError where the encoder has no speech, fusion or head."""
    part = spec.fusion or spec.head
    if spec.speech is None or part is None:
        raise SpecError("field 'encoder': frozen features require `speech` and one of `fusion` and `head`")
    return part.frame_pool


@cache
def tower_shape(spec: SpeechTowerSpec) -> TowerShape:
    """Shape from the configuration alone.  Raises SpecError where the tower is not found or of no known family."""
    # Here, since workers that compute features import this module, and transformers takes seconds to import.
    from embed.model.towers.pretrained import config_of

    what = "speech tower"
    config = config_of(spec.name, what)
    family = known_family(what, spec.name, config)
    layers = config.num_hidden_layers if spec.layers is None else len(spec.layers)
    return TowerShape(family, config, config.hidden_size * layers)


def _widths(spec: EncoderSpec, features: FeatureSpec) -> tuple[int, int]:
    """Bytes per frame and bytes per clip."""
    assert spec.speech is not None
    width = tower_shape(spec.speech).width
    return (width, LENGTH_BYTES + SCALE_BYTES * width) if features.dtype == "int8" else (2 * width, LENGTH_BYTES)


@cache
def _measured_s(uri: str, offset_s: float) -> float:
    whole_s = probe(uri).duration_s
    return decode(uri, offset_s).decoded_s if whole_s is None else max(0.0, whole_s - offset_s)
