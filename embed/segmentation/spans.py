"""Spans of speech segments: pure functions from speech probabilities to spans in milliseconds of the recording.

- `vad` gives one segment per stretch of speech; a stretch longer than `max_s` becomes windows, never a truncation.
- `windows` gives overlapping windows over the whole recording.
- `hybrid` gives both: each stretch for precision, and windows over neighbouring stretches for context.
- `transcript` follows the cues of a recording's transcript (`embed.segmentation.cues`); without one it is `hybrid`.

Every decision depends on a bounded neighbourhood (`SegmentSpec.halo_ms`) on a grid of the recording itself.  So a
unit with its halo finds the same segments as one pass over the whole recording.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from embed.base_spec import Spec, speed_only
from embed.encoder import FloatArray
from embed.segmentation.vad import FRAME_MS

Span = tuple[int, int]  # milliseconds, half open
PER_MS = 16  # samples at 16 kHz
_HYSTERESIS = 0.15  # speech ends only this far below the threshold, as in silero's own reference


class SegmentSpec(Spec):
    """Rules for cutting recordings; the defaults suit radio speech and encoders of up to 30 s."""

    mode: Literal["vad", "windows", "hybrid", "transcript"] = Field(
        default="hybrid", description="Kind of the segments."
    )
    window_s: float = Field(default=12.0, gt=0, le=600, description="Length of a window.")
    hop_s: float = Field(default=6.0, gt=0, description="From one window's start to the next.")
    min_s: float = Field(default=0.25, ge=0.05, description="Shorter speech is dropped as a click or a cough.")
    max_s: float = Field(default=20.0, gt=0, le=600, description="Longer speech is cut into windows.")
    threshold: float = Field(default=0.5, gt=_HYSTERESIS, lt=1, description="Probability from which it is speech.")
    silence_s: float = Field(default=0.3, ge=0, le=10, description="Shorter pauses do not end a stretch of speech.")
    pad_s: float = Field(default=0.1, ge=0, le=5, description="Added on both sides of speech, half the gap at most.")
    speech_share: float = Field(default=0.5, ge=0, le=1, description="Least share of speech in a window of `hybrid`.")
    halo_s: float | None = speed_only(None, "Time read on both sides of a unit; by default as the rules need.")
    unit_s: int = Field(default=600, ge=10, description="Length of a unit of work, whole seconds.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s {self.hop_s} is over window_s {self.window_s}, so sound would be left out; lower it"
            )
        if self.window_s > self.max_s:
            raise ValueError(f"window_s {self.window_s} is over max_s {self.max_s}; lower it")
        if self.min_s >= self.window_s:
            raise ValueError(f"min_s {self.min_s} is not less than window_s {self.window_s}; lower it")
        if self.halo_s is not None and self.halo_s * 1000 < self._least_halo_ms():
            raise ValueError(f"halo_s {self.halo_s} is too small; these rules need {self._least_halo_ms() / 1000:g}")
        return self

    @property
    def halo_ms(self) -> int:
        """Time that a unit reads on both sides, in milliseconds of whole seconds."""
        return 1000 * math.ceil(self.halo_s or self._least_halo_ms() / 1000)

    def cutting(self) -> dict[str, Any]:
        """The fields that decide the segments; the size of units does not."""
        return {name: value for name, value in self.defining().items() if name != "unit_s"}

    def _least_halo_ms(self) -> int:
        # A segment that reaches into the unit starts up to `reach` before it, and depends on a stretch of speech
        # whose length is compared with `max_s`; the slack is for errors at the edges of the view.
        reach = max(self.max_s, self.window_s + self.hop_s) + self.min_s
        slack = 2 * (self.silence_s + self.pad_s + self.min_s) + 0.2
        return ms(2 * reach + slack)


def segments(speech: list[Span], view: Span, spec: SegmentSpec) -> list[Span]:
    """All segments in the view, sorted; `speech` comes from `stretches` (not used when mode is windows)."""
    if spec.mode == "windows":
        return windows(view, spec) if view[1] - view[0] >= ms(spec.min_s) else []
    found: set[Span] = set()
    for span in speech:
        found.update(whole_or_windows(span, spec))
    if spec.mode != "vad":
        found.update(_context(speech, view, spec))
    return sorted(found)


def stretches(probabilities: FloatArray, first_frame: int, view_end_ms: int, spec: SegmentSpec) -> list[Span]:
    """Stretches of speech: hysteresis, short pauses closed, clicks dropped, padded; sorted, disjoint."""
    frames = _merged(_runs(_active(probabilities, spec)), ms(spec.silence_s) / FRAME_MS)
    spans = [((first_frame + a) * FRAME_MS, min((first_frame + b) * FRAME_MS, view_end_ms)) for a, b in frames]
    spans = [span for span in spans if span[1] - span[0] >= ms(spec.min_s)]
    return _padded(spans, (first_frame * FRAME_MS, view_end_ms), ms(spec.pad_s))


def windows(span: Span, spec: SegmentSpec) -> list[Span]:
    """Windows that cover the span: the first from its start, the others from multiples of `hop_s` after it."""
    start, end = span
    hop, window = ms(spec.hop_s), ms(spec.window_s)
    more = range(start // hop * hop + hop, end - window + hop, hop) if start + window < end else ()
    starts = [start, *more]
    found = [(at, min(at + window, end)) for at in starts]
    if len(found) > 1 and found[-1][1] - found[-1][0] < ms(spec.min_s):  # a very short last window joins the one before
        found[-2:] = [(found[-2][0], end)]
    return found


def whole_or_windows(span: Span, spec: SegmentSpec) -> list[Span]:
    """The span as one segment, or windows where it is longer than `max_s`."""
    return [span] if span[1] - span[0] <= ms(spec.max_s) else windows(span, spec)


def owned(spans: list[Span], unit: Span) -> list[Span]:
    """Spans that start in the unit."""
    return [span for span in spans if unit[0] <= span[0] < unit[1]]


@dataclass(frozen=True)
class Coverage:
    """Seconds of a unit's own span, halo not counted: decoded = embedded + not_speech + lost."""

    decoded_s: float
    embedded_s: float
    not_speech_s: float
    lost_s: float


def coverage(spans: list[Span], lost: list[Span], own: Span) -> Coverage:
    """Coverage of [own): `spans` in ms, `lost` and `own` in samples at 16 kHz.

    Time is lost if it could not be decoded, else embedded if any segment of any unit covers it, else not speech.
    Each moment belongs to one unit: the sums over units balance too.
    """
    gone = _clipped(lost, own)
    covered = _clipped([(a * PER_MS, b * PER_MS) for a, b in spans], own)
    decoded, lost_num = own[1] - own[0], _length(gone)
    embedded = _length(_union(gone + covered)) - lost_num
    rest = decoded - embedded - lost_num
    return Coverage(*(num / (1000 * PER_MS) for num in (decoded, embedded, rest, lost_num)))


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def _active(probabilities: FloatArray, spec: SegmentSpec) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Frames of speech: at or above the threshold, and after it while not clearly below.

    This hysteresis lasts `silence_s`, so that no frame depends on distant frames.
    """
    index = np.arange(len(probabilities))
    on = probabilities >= spec.threshold
    last_on = np.maximum.accumulate(np.where(on, index, -1))
    last_off = np.maximum.accumulate(np.where(probabilities < spec.threshold - _HYSTERESIS, index, -1))
    recent = (index - last_on) * FRAME_MS <= ms(spec.silence_s)
    active: np.ndarray[Any, np.dtype[np.bool_]] = on | ((last_on > last_off) & recent)
    return active


def _runs(active: "np.ndarray[Any, np.dtype[np.bool_]]") -> list[Span]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _merged(runs: list[Span], gap: float) -> list[Span]:
    joined: list[Span] = []
    for start, end in runs:
        if joined and start - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _padded(spans: list[Span], view: Span, pad: int) -> list[Span]:
    starts = [max(a - pad, view[0]) for a, _ in spans]
    ends = [min(b + pad, view[1]) for _, b in spans]
    for left in range(len(spans) - 1):
        if ends[left] > starts[left + 1]:
            ends[left] = starts[left + 1] = (spans[left][1] + spans[left + 1][0]) // 2
    return list(zip(starts, ends, strict=True))


def _context(speech: list[Span], view: Span, spec: SegmentSpec) -> list[Span]:
    """Windows of the grid with enough speech, from more than one stretch, trimmed to that speech."""
    hop, window, least = ms(spec.hop_s), ms(spec.window_s), ms(spec.min_s)
    found, low = [], 0
    for at in range(view[0] // hop * hop, view[1], hop):
        while low < len(speech) and speech[low][1] <= at:
            low += 1
        inside = []
        for start, end in speech[low:]:
            if start >= at + window:
                break
            if min(end, at + window) - max(start, at) >= least:
                inside.append((max(start, at), min(end, at + window)))
        if len(inside) > 1 and _length(inside) >= spec.speech_share * window:
            found.append((inside[0][0], inside[-1][1]))
    return found


def _clipped(spans: list[Span], own: Span) -> list[Span]:
    return _union([(max(a, own[0]), min(b, own[1])) for a, b in spans if a < own[1] and b > own[0]])


def _union(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _length(spans: list[Span]) -> int:
    return sum(end - start for start, end in spans)
