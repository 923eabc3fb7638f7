"""Features: the frozen speech tower's frames of the clips, computed once and kept in shards, or at every use.

A shard holds some clips in one view (`train.frozen.frames`).  Its name is a digest of its inputs (tower, layers,
pooling, view, the recordings and their versions, the seed where the view is random), so that a changed input never
uses an old shard, and runs that differ elsewhere share it.

Clips are numbered: first those of training, then those of dev.  Dev is used in the first view alone, and so is
synthetic speech, whose voices differ.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError, SpecError, StorageError
from embed.identity import content_version, digest
from embed.model.spec import EncoderSpec
from embed.model.towers.files import tower_digest
from embed.model.towers.speech import SpeechTower
from embed.storage import store
from embed.storage.cache import cache_folder, make_folder, only_one
from train.curate.clip import Clip, read_clip
from train.frozen.augment import augment, is_drawn
from train.frozen.frames import Dtype, Packed, frames_of, pack
from train.frozen.size import TowerShape, expected_length, frame_pool, num_views, tower_shape
from train.spec import FeatureSpec, ViewSpec

log = logging.getLogger(__name__)

CLIPS_PER_SHARD = 128
UNSPOKEN = "to be spoken"  # version of synthetic speech that does not exist yet: a plan counts it, but makes none
VOICES_PER_SHARD, VOICES = 32, 5  # clips available for babble, and number that is mixed

TowerFactory = Callable[[], SpeechTower]


@dataclass(frozen=True)
class Shard:
    """Some clips in one view, with all settings of their frames, and the url of the file that holds them."""

    url: str
    view: int
    first: int  # number of the first clip
    clips: tuple[Clip, ...]
    expected: tuple[int, ...]  # frames of each clip, by its duration
    augmentation: ViewSpec
    voices: tuple[Clip, ...]  # clips for babble
    seed: int
    frame_pool: int
    dtype: Dtype
    shape: TowerShape

    def wave(self, row: int) -> FloatArray:
        """The clip in the view, [n] at 16 kHz; the same at every call and on every machine.

        A slow view of a long clip is cut at the most that the tower reads.
        """
        clip, view = self.clips[row], self.augmentation
        name = digest("heard", self.seed, view.model_dump(mode="json"), _sound_identity(clip))
        rng = np.random.default_rng(np.frombuffer(name, np.uint32))
        others = [one for one in self.voices if one.key != clip.key]
        chosen = [others[i] for i in rng.permutation(len(others))[:VOICES]]
        wave = augment(read_clip(clip), view, rng, [read_clip(one) for one in chosen])
        return wave[: int(self.shape.longest_s * SAMPLE_RATE)]


def plan_shards(
    spec: EncoderSpec,
    clips: Sequence[Clip],
    features: FeatureSpec,
    seed: int,
    url: str,
    num_train: int | None = None,
) -> list[Shard]:
    """Shards below `url`, each of 128 clips at most in one view: all clips in view 0, in the others by `num_views`.

    Clips of one source, language and part are together, so that adding a source leaves their shards as they are
    (except for babble, which is mixed from all).
    Raises InputError where a recording is missing, SpecError where a view is impossible.
    """
    num_train = len(clips) if num_train is None else num_train
    versions = _versions(clips)
    pool = frame_pool(spec)
    assert spec.speech is not None
    shape = tower_shape(spec.speech)
    tower = [tower_digest(spec.speech.name), list(spec.speech.layers or ()), pool, features.dtype]
    shards = []
    for number, view in enumerate(features.views):
        for first, last in _stretches(clips, num_train):
            if number >= num_views(clips[first], features, first < num_train):
                continue
            part = tuple(clips[first:last])
            voices = _voices(clips[:num_train], view, seed, first)
            recordings = [[_sound_identity(clip), versions[clip.uri]] for clip in (*part, *voices)]
            used_seed = seed if is_drawn(view) else None
            name = digest("features", tower, view.model_dump(mode="json"), used_seed, len(part), recordings).hex()
            expected = tuple(expected_length(spec, clip, view) for clip in part)
            file = store.join(url, f"{name}.safetensors")
            shards.append(Shard(file, number, first, part, expected, view, voices, seed, pool, features.dtype, shape))
    return shards


def compute_shard(tower: SpeechTower, shard: Shard) -> None:
    """Write the shard's file, unless it exists already; the file is complete or absent."""
    if store.exists(shard.url):
        return
    waves = [shard.wave(row) for row in range(len(shard.clips))]
    content = pack(frames_of(tower, waves, shard.frame_pool), shard.dtype)
    with store.scratch(shard.url.rpartition("/")[0]) as path:
        try:
            save_file(content, path)
        except SafetensorError as error:  # a full disk
            raise StorageError(f"{shard.url}: cannot be written ({error}); free disk space and run again") from None
        store.move_in(path, shard.url)


class Features:
    """Frames of clip i in view v, read from the shards on demand; shards of a remote storage are fetched once.

    A missing shard is computed by the tower that `tower` returns, and kept; InputError where `tower` is None.
    """

    def __init__(self, shards: Sequence[Shard], num_clips: int, tower: TowerFactory | None = None) -> None:
        self.num_clips = num_clips
        self.shards = list(shards)
        self._positions = {
            (shard.view, shard.first + row): (number, row)
            for number, shard in enumerate(self.shards)
            for row in range(len(shard.clips))
        }
        self._views = Counter(clip for _, clip in self._positions)
        self._factory = tower
        self._open: dict[int, Packed] = {}
        self._lock = Lock()

    @property
    def width(self) -> int:
        return self.shards[0].shape.width

    def num_views(self, clip: int) -> int:
        """Number of views in which the clip is used."""
        return self._views[clip]

    def length(self, clip: int, view: int = 0) -> int:
        """Number of frames by the clip's duration, without computing any; `frames` may have one more or less.

        So batches, and with them a training's result, are the same whether or not frames are kept.
        """
        number, row = self._positions[view, clip]
        return self.shards[number].expected[row]

    def frames(self, clip: int, view: int = 0) -> Tensor:
        """float32 [T, F]; a copy that the caller may change."""
        number, row = self._positions[view, clip]
        return self._rows(number).frames(row)

    def wave(self, clip: int, view: int = 0) -> FloatArray:
        """The clip in the view [n] at 16 kHz, for a speech tower that is trained."""
        number, row = self._positions[view, clip]
        return self.shards[number].wave(row)

    def spread(self, clips: Sequence[int], seed: int, sample: int = 400) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [F] over the frames of a random sample of the given clips."""
        chosen = np.random.default_rng(seed).permutation(np.asarray(clips))[:sample]
        count, mean, squares = 0, torch.zeros(self.width).double(), torch.zeros(self.width).double()
        for clip in chosen:  # one at a time: wide towers' frames of 400 clips are gigabytes
            frames = self.frames(int(clip)).double()
            total = count + len(frames)
            shift = frames.mean(0) - mean
            squares += frames.var(0, correction=0) * len(frames) + shift**2 * count * len(frames) / total
            mean += shift * len(frames) / total
            count = total
        return mean.float(), (squares / max(count - 1, 1)).sqrt().float().clamp_min(1e-4)

    def _rows(self, number: int) -> Packed:
        if number not in self._open:
            with self._lock:  # another thread reads the next step's frames
                if number not in self._open:
                    self._open[number] = self._load(self.shards[number])
        return self._open[number]

    def _load(self, shard: Shard) -> Packed:
        if self._factory is not None:
            compute_shard(self._tower, shard)
        elif not store.exists(shard.url):
            raise InputError(f"{shard.url}: this shard of features is missing; run the training again to compute it")
        return Packed.open(_local(shard.url), len(shard.clips))

    @cached_property
    def _tower(self) -> SpeechTower:
        assert self._factory is not None
        return self._factory()


class UncachedFeatures(Features):
    """The same frames, computed at each use and not kept."""

    def __init__(self, shards: Sequence[Shard], num_clips: int, tower: TowerFactory) -> None:
        super().__init__(shards, num_clips, tower)

    def frames(self, clip: int, view: int = 0) -> Tensor:
        number, row = self._positions[view, clip]
        shard = self.shards[number]
        with self._lock:
            tower = self._tower
        return Packed(pack(frames_of(tower, [shard.wave(row)], shard.frame_pool), shard.dtype)).frames(0)


def _local(url: str) -> Path:
    """The shard on this machine's disk; a remote one is fetched into the cache folder, by one process at a time."""
    path = store.local_path(url)
    if path is not None:
        return path
    name = url.rpartition("/")[2]
    folder = cache_folder() / "features"
    with only_one(folder):
        return make_folder(folder / Path(name).stem, lambda draft: _fetch(url, draft)) / name


def _fetch(url: str, folder: Path) -> None:
    log.info("fetching %s into %s", url, folder.parent)
    store.local_copy(url, folder)


def _stretches(clips: Sequence[Clip], num_train: int) -> Iterator[tuple[int, int]]:
    """First and last (not included) of adjacent clips of one source, language and part, 128 at most."""
    end = 0
    for _, kind in groupby(enumerate(clips), lambda one: (one[1].source, one[1].lang, one[0] < num_train)):
        begin, end = end, end + sum(1 for _ in kind)
        yield from ((first, min(first + CLIPS_PER_SHARD, end)) for first in range(begin, end, CLIPS_PER_SHARD))


def _sound_identity(clip: Clip) -> list[object]:
    """All that decides a clip's sound, except the version of its file; without the file's folder."""
    return [clip.source, clip.lang, clip.key, clip.uri.rpartition("/")[2], clip.offset_s, clip.duration_s]


def _versions(clips: Sequence[Clip]) -> dict[str, str]:
    """Uri -> version of the recording.  Remote ones are listed by folder: a request for each is slow."""
    uris = dict.fromkeys(clip.uri for clip in clips)
    remote = dict.fromkeys(uri.rpartition("/")[0] for uri in uris if store.local_path(uri) is None)
    places = [*remote, *(uri for uri in uris if store.local_path(uri) is not None)]
    entries = [entry for place in places for entry in store.listing(place)]
    found = {entry.url: content_version(entry.etag, entry.size_bytes, entry.mtime) for entry in entries}
    for clip in clips:
        if clip.uri not in found:
            if not clip.synthetic:
                raise InputError(f"{clip.uri}: this recording is missing; restore it or remove it from the sources")
            found[clip.uri] = UNSPOKEN
    return found


def _voices(train: Sequence[Clip], view: ViewSpec, seed: int, first: int) -> tuple[Clip, ...]:
    """Training clips that a shard's babble is mixed from, each of another prompt."""
    if view.noise != "babble":
        return ()
    prompts = list({clip.key: clip for clip in train}.values())
    if len(prompts) < 2:
        raise SpecError("field 'features.views': babble requires other prompts, and there are none; use other noise")
    order = np.random.default_rng([seed, first]).permutation(len(prompts))
    return tuple(prompts[i] for i in order[:VOICES_PER_SHARD])
