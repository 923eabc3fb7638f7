"""The stage that reads: a unit of work becomes its segments, ready to be encoded; UNITS in, CUTS out.

Bad input never stops it: what cannot be read, decoded or used is a failure inside the unit's row, with stage and
reason.  What storage itself does wrong (a bucket out of reach) is raised, since trying again may help.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from embed import audio, identity, vad
from embed.cutting import Cutting
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.passages import Broken, Passage, read_passages
from embed.segment import PER_MS, Coverage, SegmentSpec, Span, coverage, ms, owned, segments, stretches
from embed.tables import CUTS, SPEECH
from embed.words import Words

# A recording that ends earlier than its header says, by more than this and by more than a hundredth, is damaged.
_EARLY_S = 0.5


def cut(units: pa.Table, cutting: Cutting, words: Words) -> pa.Table:
    """CUTS, one row per unit, in order."""
    return pa.Table.from_pylist([cut_unit(unit, cutting, words) for unit in units.to_pylist()], schema=CUTS)


def cut_unit(unit: dict[str, Any], cutting: Cutting, words: Words) -> dict[str, Any]:
    """One row of CUTS as a dictionary, from one row of UNITS.

    Segments are those that start in the unit; decoded_s, not_speech_s and lost_s are of the unit's own span.
    """
    work = _Work(unit)
    try:
        if unit["modality"] == SPEECH:
            _cut_speech(work, cutting)
        else:
            _cut_text(work, cutting, words)
    except InputError as error:
        work.fail(error)
    return work.row()


@dataclass
class _Work:
    """A unit on its way to its row."""

    unit: dict[str, Any]
    stage: str = "probe"  # where we are, for failures
    signal: FloatArray | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: Coverage = field(default_factory=lambda: Coverage(0.0, 0.0, 0.0, 0.0))

    def fail(self, error: Exception, span: tuple[int, int | None] | None = None) -> None:
        """Of `span`, else of the whole unit; what is lost is what the unit has lost so far."""
        start, end = span or (self.unit["start"], self.unit["end"])
        self.failures.append(
            {
                **{name: self.unit[name] for name in ("unit_id", "asset_id", "uri")},
                "stage": self.stage,
                "error_class": type(error).__name__,
                "message": str(error),
                "start": start,
                "end": end,
                "lost_s": self.seconds.lost_s,
                "attempts": 1,
            }
        )

    def keep(self, cutting: str, start: int, end: int, item: str | None = None, **rest: Any) -> None:
        unit = self.unit
        name = identity.segment_id(unit["asset_id"], unit["content_version"], cutting, start, end, item)
        empty: dict[str, Any] = {"text": None, "offset": None, "length": None, "lang": None, "metadata": []}
        self.segments.append({"segment_id": name, "start": start, "end": end, "item": item, **empty, **rest})

    def row(self) -> dict[str, Any]:
        return {
            **self.unit,
            "signal": None if self.signal is None else self.signal.tobytes(),
            "segments": self.segments,
            "failures": self.failures,
            "decoded_s": self.seconds.decoded_s,
            "not_speech_s": self.seconds.not_speech_s,
            "lost_s": self.seconds.lost_s,
        }


def _cut_speech(work: _Work, cutting: Cutting) -> None:
    unit, url, spec = work.unit, work.unit["url"], cutting.segment
    declared_s = audio.probe(url).duration_s
    work.stage = "decode"
    view_ms = max(unit["start"] - spec.halo_ms, 0)
    lead_s = math.ceil(vad.LEAD_SAMPLES / SAMPLE_RATE)
    until_s = None if unit["end"] is None else (unit["end"] + spec.halo_ms) / 1000
    work.seconds = _all_lost(unit, declared_s)  # until we know better
    decoded = audio.decode(url, max(view_ms // 1000 - lead_s, 0), until_s)
    first = round(decoded.start_s * SAMPLE_RATE)
    own, missing = _own(unit, first + len(decoded.samples), declared_s)
    lost = [(math.floor(a * SAMPLE_RATE), math.ceil(b * SAMPLE_RATE)) for a, b in decoded.lost]
    work.stage = "segment"
    if unit["start"] == 0 and unit["end"] is None and own[1] < ms(spec.min_s) * PER_MS:
        work.seconds = coverage([], [own], own)
        raise _too_short(unit, own[1], spec)
    spans = _spans(decoded.samples, first, view_ms, spec)
    work.seconds = coverage(spans, [*lost, *missing], own)
    _keep_spans(work, owned(spans, (unit["start"], _end_ms(unit, own))), decoded.samples, first, cutting.speech())
    _report_lost(work, own, missing)


def _all_lost(unit: dict[str, Any], declared_s: float | None) -> Coverage:
    end_s = (declared_s or 0.0) if unit["end"] is None else unit["end"] / 1000
    lost_s = max(end_s - unit["start"] / 1000, 0.0)
    return Coverage(lost_s, 0.0, 0.0, lost_s)


def _own(unit: dict[str, Any], stop: int, declared_s: float | None) -> tuple[Span, list[Span]]:
    """The unit's own span in samples, and what of it the header promised and the stream does not hold."""
    start = unit["start"] * PER_MS
    planned = stop if unit["end"] is None else min(stop, unit["end"] * PER_MS)
    if declared_s is not None and _is_early(stop, declared_s) and (unit["end"] is None or planned == stop):
        promised = round(declared_s * SAMPLE_RATE)
        planned = promised if unit["end"] is None else min(promised, unit["end"] * PER_MS)
    stop, planned = max(stop, start), max(planned, start)
    return (start, planned), [(stop, planned)] if planned > stop else []


def _is_early(stop: int, declared_s: float) -> bool:
    return declared_s - stop / SAMPLE_RATE > max(_EARLY_S, declared_s / 100)


def _end_ms(unit: dict[str, Any], own: Span) -> int:
    return unit["end"] if unit["end"] is not None else -(-own[1] // PER_MS)


def _too_short(unit: dict[str, Any], num: int, spec: SegmentSpec) -> InputError:
    length = f"{num} sample{'s' * (num != 1)} at 16 kHz ({num / SAMPLE_RATE:g} s)"
    return InputError(f"{unit['url']}: too short: {length}; the least is min_s = {spec.min_s:g} s")


def _spans(samples: FloatArray, first: int, view_ms: int, spec: SegmentSpec) -> list[Span]:
    """All segments of the view, which begins at `view_ms` or with the next block of the network's grid."""
    end_ms = (first + len(samples)) // PER_MS
    if spec.mode == "windows":
        return segments([], (view_ms, max(end_ms, view_ms)), spec)
    frame, probabilities = vad.speech_probabilities(samples, first)
    return segments(stretches(probabilities, frame, end_ms, spec), (frame * vad.FRAME_MS, end_ms), spec)


def _keep_spans(work: _Work, spans: list[Span], samples: FloatArray, first: int, cutting: str) -> None:
    """The signal from the first segment to the last, and each segment's place in it."""
    low = min((start for start, _ in spans), default=0) * PER_MS
    high = max((end for _, end in spans), default=0) * PER_MS
    work.signal = np.ascontiguousarray(samples[max(low - first, 0) : max(high - first, 0)], np.float32)
    for start, end in spans:
        work.keep(cutting, start, end, offset=start * PER_MS - low, length=(end - start) * PER_MS)


def _report_lost(work: _Work, own: Span, missing: list[Span]) -> None:
    """One failure for all that is lost in the unit's own span."""
    lost_s = work.seconds.lost_s
    if not lost_s:
        return
    missing_s = sum(b - a for a, b in missing) / SAMPLE_RATE
    parts = [f"{missing_s:.3f} s that its header promises are not there"] if missing_s else []
    if lost_s - missing_s > 1e-9:
        parts.append(f"{lost_s - missing_s:.3f} s could not be decoded, or were not finite")
    work.stage = "decode"
    work.fail(InputError(f"{work.unit['url']}: {'; '.join(parts)}"), (own[0] // PER_MS, -(-own[1] // PER_MS)))


def _cut_text(work: _Work, rules: Cutting, words: Words) -> None:
    unit, cutting = work.unit, rules.text(dict(work.unit["columns"] or ()))
    for found in read_passages(unit["url"], unit["start"], unit["end"], rules.passage):
        work.stage = "segment"
        if isinstance(found, Broken):
            work.fail(InputError(f"{unit['url']}: {found.reason}"), (found.start, found.end))
        else:
            _keep_passage(work, cutting, found)


def _keep_passage(work: _Work, cutting: str, found: Passage) -> None:
    own = {"lang": found.lang, "metadata": list(found.metadata.items())}
    work.keep(cutting, found.start, found.end, found.item, text=found.text, **own)
