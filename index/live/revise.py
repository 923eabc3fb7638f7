"""Revision of an index: publishes the next version, made from the newest one; all changes of an index use it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow as pa

from embed.storage.numbered_log import append
from index.parts.artifact import FORMAT, Manifest, SegmentEntry, read_manifest
from index.parts.removed import store_removed, stored_removed


@dataclass(frozen=True)
class Change:
    """The result of a change: the newest version after it, and the differences to the version before."""

    manifest: Manifest
    published: bool  # False: there was nothing to do, the version existed before
    added: Mapping[str, int] = field(default_factory=dict)  # rows by modality
    removed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # rows by reason and modality
    restored: int = 0  # removed before, and in the dataset again
    warnings: tuple[str, ...] = ()
    versions_removed: tuple[int, ...] = ()


def revise(url: str, change: Callable[[Manifest], tuple[Manifest | None, Change]]) -> Change:
    """Publish the version that `change` makes from the newest one; called again where another writer published first.

    `change` returns the next manifest, None where there is nothing to do, and its report, whose manifest is set here.
    Raises AlreadyPublished where other writers are first every time.
    """
    reports: list[Change] = []

    def make(newest: Manifest) -> Manifest | None:
        made, report = change(newest)
        reports.append(replace(report, manifest=made or newest, published=made is not None))
        return made

    append(url, partial(read_manifest, url), make)
    return reports[-1]


def version_after(
    url: str, newest: Manifest, segments: Iterable[SegmentEntry], removed: pa.Table, **changes: Any
) -> Manifest:
    """The version after the newest, with these segments and REMOVED, whose part is stored here."""
    ordered = tuple(sorted(segments, key=lambda segment: (segment.modality, segment.first_id)))
    values = {
        "format": FORMAT,
        "version": newest.version + 1,
        "segments": ordered,
        "removed": store_removed(url, removed),
        "rows": sum(segment.rows for segment in ordered) - stored_removed(removed),
    }
    return newest.model_copy(update={**values, **changes})


def end_of(segments: Iterable[SegmentEntry]) -> int:
    """The first id above all ids of the segments."""
    return max((segment.first_id + segment.rows for segment in segments), default=0)
