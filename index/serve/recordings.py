"""Recordings of an index's rows: where each is, and the sound of a stretch of it.

A row is played only from the recording that its own dataset lists: no address comes from a caller.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from embed.dataset.vectors import open_dataset
from embed.encoder import FloatArray
from embed.errors import InputError, StorageError
from index.parts.artifact import Manifest
from index.serve.problems import Problem

Sound = Literal["wav", "webm"]
MEDIA_TYPES: dict[Sound, str] = {"wav": "audio/wav", "webm": "audio/webm"}
KEPT_CLIPS = 64
Made = TypeVar("Made")


@dataclass(frozen=True)
class Stretch:
    """Seconds of one recording, at the address where it is opened."""

    url: str
    start_s: float
    end_s: float
    tracks: tuple[int, ...] | None


class Sounds(Protocol):
    """Reads recordings; `embed.audio.clips` has the real one."""

    def clip(self, stretch: Stretch, kind: Sound) -> bytes:
        """A file of the stretch.  Raises InputError where it cannot be decoded, StorageError where it is away."""

    def peaks(self, stretch: Stretch, count: int) -> Sequence[float]:
        """The loudest sample, 0 to 1, of each of `count` equal parts of the stretch."""

    def question(self, data: bytes) -> FloatArray:
        """The samples [n] at 16 kHz of an uploaded file.  Raises InputError saying what is wrong with it."""


class Recordings:
    """Clips and peaks of one version of an index, the last ones kept; safe to use from several threads."""

    def __init__(self, manifest: Manifest, sounds: Sounds | None) -> None:
        self._lineage, self.sounds = manifest.lineage, sounds
        self._places: dict[bytes, tuple[str, str, tuple[int, ...] | None]] | None = None
        self._kept: OrderedDict[tuple[Stretch, str], object] = OrderedDict()
        self._lock = threading.Lock()

    def clip(self, stretch: Stretch, kind: Sound) -> bytes:
        """A file of the stretch, of the kind."""
        return self._once((stretch, kind), lambda sounds: sounds.clip(stretch, kind))

    def peaks(self, stretch: Stretch, count: int) -> Sequence[float]:
        """See `Sounds.peaks`."""
        return self._once((stretch, f"peaks {count}"), lambda sounds: sounds.peaks(stretch, count))

    def stretch(self, asset_id: bytes, content_version: str, start_s: float, end_s: float) -> Stretch:
        """Where a row's seconds are.  Raises Problem where the dataset does not list that recording any more."""
        with self._lock:
            if self._places is None:
                self._places = self._listed()
        place = self._places.get(asset_id)
        if place is None:
            raise Problem(404, "the dataset of this index does not list this recording any more")
        url, version, tracks = place
        if version != content_version:
            raise Problem(410, "this recording was replaced after this index was built; update it with --append")
        return Stretch(url, start_s, end_s, tracks)

    def _listed(self) -> dict[bytes, tuple[str, str, tuple[int, ...] | None]]:
        try:
            assets = open_dataset(self._lineage.url).assets()
        except (InputError, StorageError):
            raise Problem(503, "the dataset of this index cannot be read here, so nothing can be played") from None
        rows = assets.select(["asset_id", "url", "content_version", "tracks"]).to_pylist()
        return {
            row["asset_id"]: (row["url"], row["content_version"], tuple(row["tracks"]) if row["tracks"] else None)
            for row in rows
        }

    def _once(self, key: tuple[Stretch, str], make: Callable[[Sounds], Made]) -> Made:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]  # type: ignore[return-value]  # as `make` of this key made it
        if self.sounds is None:
            raise Problem(404, "this service plays no recordings")
        try:
            made = make(self.sounds)
        except (InputError, StorageError):
            raise Problem(503, "this recording cannot be read now; the hit is still right") from None
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT_CLIPS:
                self._kept.popitem(last=False)
        return made
