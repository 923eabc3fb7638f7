"""Opening of a version: its parts are found, checked and loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from embed.encoder import FloatArray
from embed.errors import StorageError
from index.contracts import IntArray, Mask
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
from index.rungs.portion import Portion
from index.rungs.segment import Segment
from index.rungs.shelf import Card, Shelf
from index.rungs.tables import mismatch


@dataclass(frozen=True)
class OpenParts:
    shelves: dict[str, Shelf]  # by modality
    provenance: Provenance


def open_version(
    url: str,
    version: int | None,
    verify: bool,
    device: Device | None,
    check: Callable[[Manifest], None],
    portion: Portion | None = None,
) -> tuple[Manifest, OpenParts]:
    """The manifest, which `check` may refuse, and its parts, or the portion of each.

    Raises as `index.ask.searcher.open_index` says.
    """
    manifest = read_manifest(url, version)
    check(manifest)
    removed, where = read_removed(url, manifest), device or manifest.spec.device
    shelves: dict[str, Shelf] = {}
    stretches: list[Stretch] = []
    live: dict[str, list[Kept | None]] = {}
    for name, entry in manifest.modalities.items():
        entries = segments_of(manifest, name)
        segments = [Segment.load(part_folder(url, one.part, verify), one, portion) for one in entries]
        held = [pair for pair in zip(entries, segments, strict=True) if len(pair[1]) or portion is None]
        if held:
            shelves[name] = _shelf(url, name, entry, segments, [one for _, one in held], verify, where)
            live[name] = kept_rows([_live_of(removed, *pair) for pair in held])
            stretches += [_stretch(url, *pair, verify) for pair in held]
    return manifest, OpenParts(shelves, Provenance(stretches, live))


def segments_of(manifest: Manifest, modality: str) -> list[SegmentEntry]:
    return [entry for entry in manifest.segments if entry.modality == modality]


def _live_of(removed: pa.Table, entry: SegmentEntry, segment: Segment) -> Mask | None:
    live, first = live_rows(removed, entry), segment.first_id - entry.first_id
    return None if live is None else live[first : first + len(segment)]


def _stretch(url: str, entry: SegmentEntry, segment: Segment, verify: bool) -> Stretch:
    file = part_folder(url, entry.part, verify) / PROVENANCE_COPY
    return Stretch(entry.modality, segment.first_id, len(segment), file, segment.first_id - entry.first_id)


def _shelf(
    url: str,
    name: str,
    entry: ModalityEntry,
    every: Sequence[Segment],
    segments: Sequence[Segment],
    verify: bool,
    device: Device,
) -> Shelf:
    """Of the segments that have rows here; `every` one of the modality has some in all shards together."""
    cards = _cards(segments, device)
    if entry.coder is None:
        return Shelf(name, segments, cards=cards)
    coder = load_coder(part_folder(url, entry.coder, verify))
    router = sizes = None
    if entry.router is not None:
        router, sizes = load_router(url, entry.router, verify), load_sizes(url, entry.router, verify)
    if problem := mismatch(segments, coder, router):
        raise StorageError(f"{url}: {name} parts do not belong together ({problem}); build the index again")
    whole = [one.whole_sizes for one in every if one.whole_sizes is not None]
    return Shelf(name, segments, entry.curves, coder, router, cards, sizes, np.sum(whole, axis=0) if whole else None)


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
