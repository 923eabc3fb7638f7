"""Revision of an index: the next version made of the newest one, as every change of a standing index does it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow as pa

from embed.storage.numbered_log import append
from index.parts.artifact import Manifest, SegmentEntry, read_manifest
from index.parts.removed import store_removed, stored_removed


@dataclass(frozen=True)
class Change:
    """What a change has done: the version that stands then, and what is different in it."""

    manifest: Manifest
    published: bool  # False: nothing was to be done, the version stood before
    added: Mapping[str, int] = field(default_factory=dict)  # rows by modality
    removed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # rows by reason and modality
    restored: int = 0  # removed before, and in the dataset again
    warnings: tuple[str, ...] = ()
    versions_removed: tuple[int, ...] = ()


def revise(url: str, change: Callable[[Manifest], tuple[Manifest | None, Change]]) -> Change:
    """Publish what `change` makes of the newest version; it is asked again where another writer was first.

    `change` gives the next manifest, None where nothing is to be done, and its account, whose manifest is settled here.
    Raises AlreadyPublished where others are first every time.
    """
    accounts: list[Change] = []

    def make(newest: Manifest) -> Manifest | None:
        made, account = change(newest)
        accounts.append(replace(account, manifest=made or newest, published=made is not None))
        return made

    append(url, partial(read_manifest, url), make)
    return accounts[-1]


def version_after(
    url: str, newest: Manifest, segments: Iterable[SegmentEntry], removed: pa.Table, **changes: Any
) -> Manifest:
    """The version after the newest, with these segments and REMOVED, whose part is stored."""
    ordered = tuple(sorted(segments, key=lambda segment: (segment.modality, segment.first_id)))
    values = {
        "version": newest.version + 1,
        "segments": ordered,
        "removed": store_removed(url, removed),
        "rows": sum(segment.rows for segment in ordered) - stored_removed(removed),
    }
    return newest.model_copy(update={**values, **changes})


def end_of(segments: Iterable[SegmentEntry]) -> int:
    """The first id above all of theirs."""
    return max((segment.first_id + segment.rows for segment in segments), default=0)
