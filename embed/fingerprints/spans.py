"""Spans of a unit that repeat an earlier recording: neighbouring windows in one line become one span.

A span is kept where one of its windows is sure, or where there are SEVERAL: two tunes in one key have notes in common
for two seconds, but not in one line for four.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from embed.fingerprints.matching import HOP, SLACK, WINDOW, Window

SURE_PEAKS, SURE_SHARE = 24, 0.28  # in common, of a window that needs no other
SEVERAL = 3  # windows


@dataclass(frozen=True)
class Span:
    """Frames of a unit, and where they were first: both count from the start of their recordings."""

    first: int
    last: int
    unit: int  # that has them first
    frame: float  # where `first` was
    speed: float  # frames of the earlier recording in a frame of this one
    peaks: int  # that both have, in the best window
    windows: int
    sure: bool  # one of them is

    def continues(self, other: "Span") -> bool:
        """Whether the other one is its beginning: the same broadcast, without a gap."""
        place = other.frame + (self.first - other.first) * other.speed
        # The error of the speed adds up over a long span.
        slack = SLACK + abs(self.first - other.first) * 0.02
        return (
            self.unit == other.unit
            and self.first <= max(other.last, other.first + WINDOW) + HOP
            and abs(place - self.frame) <= slack
        )


def spans(windows: Iterable[Window], own: int) -> list[Span]:
    """The spans of a unit's windows, in order of time.

    `own` is the number of the unit itself: a span that repeats another span of it gets what that repeats.
    """
    found: list[Span] = []
    for window in windows:
        span = _span(window)
        if found and span.continues(found[-1]):
            before = found[-1]
            found[-1] = replace(
                before,
                last=max(before.last, span.last),
                peaks=max(before.peaks, span.peaks),
                windows=before.windows + 1,
                sure=before.sure or span.sure,
            )
        else:
            found.append(span)
    found = [span for span in found if span.sure or span.windows >= SEVERAL]
    return [_origin(span, found, own) for span in found]


def _span(window: Window) -> Span:
    frame = window.frame + (window.first - window.number * HOP) * window.speed
    sure = window.score >= SURE_PEAKS and window.share >= SURE_SHARE
    return Span(window.first, window.last, window.unit, frame, window.speed, window.score, 1, sure)


def _origin(span: Span, others: Sequence[Span], own: int) -> Span:
    """The span with the first broadcast where it repeats a repeat of its own unit."""
    if span.unit != own:
        return span
    middle = span.frame + (span.last - span.first) / 2 * span.speed
    for other in others:
        if other.last < span.first and other.first <= middle <= other.last:
            frame = other.frame + (span.frame - other.first) * other.speed
            return _origin(replace(span, unit=other.unit, frame=frame, speed=span.speed * other.speed), others, own)
    return span
