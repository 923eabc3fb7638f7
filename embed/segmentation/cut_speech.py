"""Cutting of a recording: a unit becomes segments of speech; a sound in a table is one segment, as its row has it."""

import math
from collections.abc import Callable

import numpy as np

from embed.archive.joined_transcripts import DIGEST
from embed.audio import decode as audio
from embed.audio.questions import SILENT
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.fingerprints.peaks import peaks_of
from embed.segmentation import vad
from embed.segmentation.cues import cues_of, report_late
from embed.segmentation.cut_row import CutRow
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import (
    PER_MS,
    Coverage,
    SegmentSpec,
    Span,
    coverage,
    ms,
    owned,
    segments,
    stretches,
    whole_or_windows,
)
from embed.tables import Unit

# A recording that ends earlier than its header says, by more than this, is damaged; headers may be rounded by a
# hundredth, up to five seconds.
EARLY_S, EARLY_SHARE, EARLY_MOST_S = 0.5, 0.01, 5.0
PRINT_BEYOND_MS = 4_000


def cut_recording(row: CutRow, cutting: Cutting) -> None:
    unit, url, tracks, spec = row.unit, row.unit["url"], row.unit["tracks"], cutting.segment
    info = audio.probe(url, tracks)
    declared_s = info.stated_s
    row.stage = "transcript"
    cues = cues_of(row)
    row.stage = "decode"
    view_ms = max(unit["start"] - spec.halo_ms, 0)
    lead_s = math.ceil(vad.LEAD_SAMPLES / SAMPLE_RATE)
    until_s = None if unit["end"] is None else (unit["end"] + spec.halo_ms) / 1000
    row.seconds = _all_lost(unit, info.duration_s)  # until the unit is decoded
    most_s = max(audio.MOST_S, 2.0 * spec.unit_s)
    decoded = audio.decode(url, max(view_ms // 1000 - lead_s, 0), until_s, most_s, tracks)
    first = round(decoded.start_s * SAMPLE_RATE)
    own, missing = _own(unit, round(decoded.end_s * SAMPLE_RATE), declared_s)
    lost = [(math.floor(a * SAMPLE_RATE), math.ceil(b * SAMPLE_RATE)) for a, b in decoded.lost]
    if cutting.prints:
        row.print = _print(unit, decoded.samples, first)
    row.stage = "segment"
    if unit["start"] == 0 and unit["end"] is None and own[1] < ms(spec.min_s) * PER_MS:
        row.seconds = coverage([], [own], own)
        raise too_short(unit, own[1], spec)
    if unit["format"] in ("row", "clip"):  # a clip, as its table or tar has it
        spans = whole_or_windows((0, (first + len(decoded.samples)) // PER_MS), spec)
    elif cues and spec.mode == "transcript":
        spans = cues.spans(spec, (first + len(decoded.samples)) // PER_MS)
    else:
        spans = _spans(decoded.samples, first, view_ms, spec)
    row.seconds = coverage(spans, [*lost, *missing], own)
    kept = owned(spans, (unit["start"], _end_ms(unit, own)))
    rules = cutting.speech(tracks, dict(unit["columns"] or ()).get(DIGEST))
    keep_spans(row, kept, decoded.samples, first, rules, cues.text if cues else lambda _: unit["text"])
    if cues and spec.mode == "transcript" and not kept:
        row.reason = "no cue of its transcript begins in it"
    if cues and unit["end"] is None:
        row.stage = "transcript"
        report_late(row, cues, _end_ms(unit, own))
    report_lost(row, own, missing)
    if decoded.beyond:
        row.fail(
            InputError(f"{url}: its header states {info.duration_s} s, but the stream is far longer: re-encode it")
        )


def _print(unit: Unit, samples: FloatArray, first: int) -> bytes:
    """Fingerprint of the unit, and of some seconds after it: a repeat may begin in it and end in the next."""
    begin = max(unit["start"] * PER_MS - first, 0)
    end = None if unit["end"] is None else max((unit["end"] + PRINT_BEYOND_MS) * PER_MS - first, 0)
    return peaks_of(samples[begin:end], first + begin).packed()


def _all_lost(unit: Unit, declared_s: float | None) -> Coverage:
    end_s = (declared_s or 0.0) if unit["end"] is None else unit["end"] / 1000
    lost_s = max(end_s - unit["start"] / 1000, 0.0)
    return Coverage(lost_s, 0.0, 0.0, lost_s)


def _own(unit: Unit, stop: int, declared_s: float | None) -> tuple[Span, list[Span]]:
    """The unit's own span in samples, and its parts that the sound's header states but the stream does not have."""
    start = unit["start"] * PER_MS
    planned = stop if unit["end"] is None else min(stop, unit["end"] * PER_MS)
    if declared_s is not None and _is_early(stop, declared_s) and (unit["end"] is None or planned == stop):
        promised = round(declared_s * SAMPLE_RATE)
        planned = promised if unit["end"] is None else min(promised, unit["end"] * PER_MS)
    stop, planned = max(stop, start), max(planned, start)
    return (start, planned), [(stop, planned)] if planned > stop else []


def _is_early(stop: int, declared_s: float) -> bool:
    return declared_s - stop / SAMPLE_RATE > max(EARLY_S, min(declared_s * EARLY_SHARE, EARLY_MOST_S))


def _end_ms(unit: Unit, own: Span) -> int:
    return unit["end"] if unit["end"] is not None else -(-own[1] // PER_MS)


def too_short(unit: Unit, num: int, spec: SegmentSpec) -> InputError:
    length = f"{num} sample{'s' * (num != 1)} at 16 kHz ({num / SAMPLE_RATE:g} s)"
    return InputError(f"{unit['url']}: too short: {length}; the least is min_s = {spec.min_s:g} s")


def _spans(samples: FloatArray, first: int, view_ms: int, spec: SegmentSpec) -> list[Span]:
    """All segments of the view, which begins at `view_ms` or with the next block of the network's grid."""
    end_ms = (first + len(samples)) // PER_MS
    if spec.mode == "windows":
        return segments([], (view_ms, max(end_ms, view_ms)), spec)
    frame, probabilities = vad.speech_probabilities(samples, first)
    return segments(stretches(probabilities, frame, end_ms, spec), (frame * vad.FRAME_MS, end_ms), spec)


def keep_spans(
    row: CutRow,
    spans: list[Span],
    samples: FloatArray,
    first: int,
    cutting: str,
    text: Callable[[Span], str | None],
) -> None:
    """Keep the signal from the first segment to the last, each segment's place in it, and its text."""
    low = min((start for start, _ in spans), default=0) * PER_MS
    high = max((end for _, end in spans), default=0) * PER_MS
    row.signal = np.ascontiguousarray(samples[max(low - first, 0) : max(high - first, 0)], np.float32)
    row.reason = None if spans else _why_none(row, samples, first)
    for start, end in spans:
        offset, length = start * PER_MS - low, (end - start) * PER_MS
        row.keep(cutting, start, end, offset=offset, length=length, text=text((start, end)))


def _why_none(row: CutRow, samples: FloatArray, first: int) -> str:
    """Why no segment begins in the unit."""
    begin, seconds = row.unit["start"] * PER_MS - first, row.seconds
    own = samples[max(begin, 0) :][: round(seconds.decoded_s * SAMPLE_RATE)]
    if seconds.embedded_s:
        return f"its {seconds.embedded_s:.1f} s of speech belong to segments that begin before it"
    peak = float(np.abs(own).max(initial=0.0))
    level = f"peak {20 * math.log10(peak):.0f} dB" if peak else "zeros"
    return f"no speech in {seconds.decoded_s:.1f} s: {'silent' if peak < SILENT else 'sound without speech'} ({level})"


def report_lost(row: CutRow, own: Span, missing: list[Span]) -> None:
    """One failure for all lost parts of the unit's own span."""
    lost_s = row.seconds.lost_s
    if not lost_s:
        return
    missing_s = sum(b - a for a, b in missing) / SAMPLE_RATE
    parts = [f"{missing_s:.3f} s of its stated length are missing"] if missing_s else []
    if lost_s - missing_s > 1e-9:
        parts.append(f"{lost_s - missing_s:.3f} s could not be decoded or were not finite")
    row.stage = "decode"
    row.fail(InputError(f"{row.unit['url']}: {'; '.join(parts)}"), (own[0] // PER_MS, -(-own[1] // PER_MS)))
