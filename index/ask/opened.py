"""Opening of a version: its parts are found, checked and loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from embed.errors import StorageError
from index.contracts import IntArray
from index.faiss_library import Device, use_gpu
from index.kept import Kept, kept_rows
from index.parts.artifact import (
    LIST_SIZES,
    PROVENANCE_COPY,
    ROUTER,
    Manifest,
    ModalityEntry,
    PartEntry,
    SegmentEntry,
    read_manifest,
)
from index.parts.local import part_folder
from index.parts.provenance import Provenance, Stretch
from index.parts.removed import live_rows, read_removed
from index.rungs.coder import load_coder
from index.rungs.segment import Segment
from index.rungs.shelf import Card, Shelf
from index.rungs.tables import mismatch


@dataclass(frozen=True)
class OpenParts:
    shelves: dict[str, Shelf]  # by modality
    provenance: Provenance


def open_version(
    url: str, version: int | None, verify: bool, device: Device | None, check: Callable[[Manifest], None]
) -> tuple[Manifest, OpenParts]:
    """The manifest, which `check` may refuse, and its parts.  Raises as `index.ask.searcher.open_index` says."""
    manifest = read_manifest(url, version)
    check(manifest)
    live = live_rows_of(url, manifest)
    where = device or manifest.spec.device
    shelves = {name: _shelf(url, manifest, name, entry, verify, where) for name, entry in manifest.modalities.items()}
    stretches = [
        Stretch(entry.modality, entry.first_id, entry.rows, part_folder(url, entry.part, verify) / PROVENANCE_COPY)
        for entry in manifest.segments
    ]
    return manifest, OpenParts(shelves, Provenance(stretches, live))


def segments_of(manifest: Manifest, modality: str) -> list[SegmentEntry]:
    return [entry for entry in manifest.segments if entry.modality == modality]


def live_rows_of(url: str, manifest: Manifest) -> dict[str, list[Kept | None]]:
    """By modality, for each segment the rows that may be hits; None where all may."""
    removed = read_removed(url, manifest)
    return {
        name: kept_rows([live_rows(removed, entry) for entry in segments_of(manifest, name)])
        for name in manifest.modalities
    }


def _shelf(url: str, manifest: Manifest, name: str, entry: ModalityEntry, verify: bool, device: Device) -> Shelf:
    segments = [Segment.load(part_folder(url, one.part, verify), one) for one in segments_of(manifest, name)]
    cards = _cards(segments, device)
    if entry.coder is None:
        return Shelf(name, segments, cards=cards)
    coder = load_coder(part_folder(url, entry.coder, verify))
    router = sizes = None
    if entry.router is not None:
        router, sizes = load_router(url, entry.router, verify), load_sizes(url, entry.router, verify)
    if problem := mismatch(segments, coder, router):
        raise StorageError(f"{url}: {name} parts do not belong together ({problem}); build the index again")
    return Shelf(name, segments, entry.curves, coder, router, cards, sizes)


def _cards(segments: Sequence[Segment], device: Device) -> Sequence[Card]:
    """The segments' rows on a graphics card; empty where there is no card, or not all rows fit it."""
    if not use_gpu(device):
        return ()
    from index.rungs.gpu import placed

    cards = [placed(segment, device) for segment in segments]
    return [card for card in cards if card] if all(cards) else ()


def load_router(url: str, part: PartEntry, verify: bool = True) -> FloatArray:
    """The router's weights [L, D + 1].  Raises StorageError for a file that cannot be read."""
    weights: FloatArray = _array(part_folder(url, part, verify) / ROUTER)
    return weights


def load_sizes(url: str, part: PartEntry, verify: bool = True) -> IntArray | None:
    """Rows of each list [L] when the router was trained; None for an index of format 2."""
    if LIST_SIZES not in part.files:
        return None
    sizes: IntArray = _array(part_folder(url, part, verify) / LIST_SIZES)
    return sizes


def _array(file: Path) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise StorageError(f"{file}: unreadable router ({error}); build the index again") from None
