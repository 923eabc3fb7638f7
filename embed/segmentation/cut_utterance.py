"""Cutting of an utterance that a list names: one segment, or windows where it is longer than `max_s`; no network.

Segments are cut from the listed span only, so that a unit of any part of it finds the same segments.
"""

import math

import numpy as np

from embed.archive.utterance_lists import span_of
from embed.audio import decode as audio
from embed.encoder import SAMPLE_RATE
from embed.segmentation.cut_row import CutRow
from embed.segmentation.cut_speech import EARLY_S, keep_spans, report_lost, too_short
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import PER_MS, Coverage, SegmentSpec, Span, coverage, ms, owned, whole_or_windows


def cut_utterance(row: CutRow, cutting: Cutting) -> None:
    """Segments of an utterance, each with the text of the list; parts that the recording does not have are lost."""
    unit, spec = row.unit, cutting.segment
    start_ms, end_ms = span_of(unit["uri"])
    unit_ms = (max(unit["start"], start_ms), end_ms if unit["end"] is None else min(unit["end"], end_ms))
    row.stage = "decode"
    lost_s = max(unit_ms[1] - unit_ms[0], 0) / 1000
    row.seconds = Coverage(lost_s, 0.0, 0.0, lost_s)  # until the unit is decoded
    listed = whole_or_windows((start_ms, end_ms), spec)
    mine = owned(listed, unit_ms)
    until_ms = max([unit_ms[1], *(end for _, end in mine)])
    decoded = audio.decode(unit["url"], unit_ms[0] / 1000, until_ms / 1000, tracks=unit["tracks"])
    first = round(decoded.start_s * SAMPLE_RATE)
    stop = first + len(decoded.samples)
    own, missing = _own(unit_ms, stop, (start_ms, end_ms))
    lost = [(math.floor(a * SAMPLE_RATE), math.ceil(b * SAMPLE_RATE)) for a, b in decoded.lost]
    row.stage = "segment"
    if end_ms - start_ms < ms(spec.min_s):
        row.seconds = coverage([], [own], own)
        raise too_short(unit, own[1] - own[0], spec)
    row.seconds = coverage(_decoded(listed, stop, spec), [*lost, *missing], own)
    kept = _decoded(mine, stop, spec)
    keep_spans(row, kept, np.asarray(decoded.samples), first, cutting.speech(unit["tracks"]), lambda _: unit["text"])
    report_lost(row, own, missing)


def _decoded(spans: list[Span], stop: int, spec: SegmentSpec) -> list[Span]:
    """The parts of the spans that end by sample `stop`: the end of the recording, or of decoding."""
    clipped = [(start, min(end, stop // PER_MS)) for start, end in spans]
    return [(start, end) for start, end in clipped if end - start >= ms(spec.min_s)]


def _own(unit_ms: Span, stop: int, span: Span) -> tuple[Span, list[Span]]:
    """The unit's own span in samples, and its parts that the list names but the recording does not have."""
    start, end = (place * PER_MS for place in unit_ms)
    end = max(end, start)
    decoded_end = min(max(stop, start), end)
    # Lists round: a recording that ends slightly before its last utterance is complete.
    tolerance_s = max(EARLY_S, (span[1] - span[0]) / 100_000)
    if end - decoded_end <= min(tolerance_s * SAMPLE_RATE, (end - start) / 2):
        return (start, decoded_end), []
    return (start, end), [(decoded_end, end)]
