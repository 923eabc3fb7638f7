"""Table of the filters that clips pass before a training, and their application to clips.

A filter is a callable: None keeps the clip, a text is the reason to drop it.  Reasons name no file, so that they can be
counted.  A new filter is a file of this folder and a line of `training_filters`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from embed.storage import store
from train.curate.clip import Clip
from train.curate.dropped import Dropped
from train.curate.filters.recordings import RecordingFilter


class Filter(Protocol):
    """Keeps a clip or names the reason to drop it."""

    @property
    def settings(self) -> Any:
        """Settings that affect the answer, as a JSON value: answers are cached under them."""

    def __call__(self, clip: Clip) -> str | None: ...


def training_filters(longest_s: float) -> tuple[Filter, ...]:
    """All filters, in the order in which a clip passes them; `longest_s` is the most the tower reads in one pass."""
    return (RecordingFilter(longest_s),)


def drop_reasons(clips: Sequence[Clip], filters: Sequence[Filter]) -> dict[int, str]:
    """Row -> reason of the first filter that drops the clip.  Raises StorageError where the storage does not answer."""

    def first_reason(clip: Clip) -> str | None:
        return next((reason for reason in (one(clip) for one in filters) if reason is not None), None)

    reasons = enumerate(store.in_turn(first_reason, clips))
    return {row: reason for row, reason in reasons if reason is not None}


def divide(clips: Sequence[Clip], reasons: Mapping[int, str]) -> tuple[list[Clip], list[Dropped]]:
    """The clips without a reason, in the given order, and the dropped ones with theirs."""
    kept = [clip for row, clip in enumerate(clips) if row not in reasons]
    return kept, [Dropped(clips[row].name, reason) for row, reason in reasons.items()]
