"""Stages of embedding, as callables on tables: a for-loop, Ray tasks and Ray actors give the same rows.

UNITS --cut--> CUTS --encode--> one committed object per unit, and a LEDGER row with its outcome
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import pyarrow as pa

from embed import tables
from embed.chapters import of_row
from embed.encoder import SAMPLE_RATE, Batch, Encoder, FloatArray, truncate
from embed.errors import DegluError
from embed.machine import MachineFault
from embed.segmentation.cut import cut
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import PER_MS, Span, coverage
from embed.segmentation.tokens import Words
from embed.tables import CutUnit, FailureRow, LedgerRow, Segment, failure_row, ledger_row

ENCODE = "encode"  # the stage's name in failures

Commit = Callable[[pa.Table, LedgerRow, list[FailureRow]], None]
Encoded = tuple[list[Segment], FloatArray, list[FailureRow]]  # segments, their vectors [n, D], failures


@dataclass(frozen=True)
class Stage:
    """A callable on a table, and the resources that it needs."""

    run: Callable[[pa.Table], pa.Table]
    rows: int = 1  # units at a time
    cpus: float = 1.0
    gpus: float = 0.0


def cut_stage(cutting: Cutting, words: Words) -> Stage:
    """UNITS to CUTS: read, decode, find speech, cut; bad input becomes failures in the row.  Its pickle is small."""
    return Stage(partial(cut, cutting=cutting, words=words))


class EncodeUnits:
    """CUTS to LEDGER: encode the segments of each unit and commit them, rows and failures in one object.

    `keep` gets each unit before its commit, so that what it writes is there whenever the unit is committed.
    """

    def __init__(self, encoder: Encoder, commit: Commit, keep: Callable[[CutUnit], None] = lambda unit: None) -> None:
        self._encoder, self._commit, self._keep = encoder, commit, keep

    def __call__(self, cuts: pa.Table) -> pa.Table:
        units: list[CutUnit] = cuts.to_pylist()
        encoded = encode_units(units, self._encoder)
        ledgers = [self._one(unit, *found) for unit, found in zip(units, encoded, strict=True)]
        return pa.Table.from_pylist(ledgers, schema=tables.LEDGER)

    def _one(
        self, unit: CutUnit, segments: list[Segment], vectors: FloatArray, failures: list[FailureRow]
    ) -> LedgerRow:
        rows = rows_of(unit, segments, vectors, self._encoder)
        ledger = ledger_of(unit, len(rows), failures)
        self._keep(unit)
        self._commit(rows, ledger, failures)
        return ledger


def encode_units(units: Sequence[CutUnit], encoder: Encoder) -> list[Encoded]:
    """`encode_unit` of each; all units of a modality share batches, because small units do not fill one."""
    found: dict[int, Encoded] = {}
    for modality in (tables.SPEECH, tables.TEXT):
        places = [place for place, unit in enumerate(units) if unit["modality"] == modality]
        if len(places) < 2:
            continue
        contents = [content for place in places for content in _contents(units[place], units[place]["segments"])]
        try:
            vectors = _encoded(encoder, cast(Batch, contents))
        except (DegluError, RuntimeError, ValueError):
            continue  # each one alone, to find the one at fault
        ends = np.cumsum([len(units[place]["segments"]) for place in places])[:-1]
        for place, own in zip(places, np.split(vectors, ends), strict=True):
            found[place] = units[place]["segments"], own, list(units[place]["failures"])
    return [found[place] if place in found else encode_unit(unit, encoder) for place, unit in enumerate(units)]


def encode_unit(unit: CutUnit, encoder: Encoder) -> Encoded:
    """The segments that were encoded, their vectors [n, D], and all failures of the unit, cutting's included.

    Raises MachineFault where the model encodes nothing at all any more.
    """
    segments = unit["segments"]
    contents = _contents(unit, segments)
    try:
        return segments, _encoded(encoder, contents), list(unit["failures"])
    except (DegluError, RuntimeError, ValueError):
        pass  # one of them is at fault: find it, keep the others
    kept: list[Segment] = []
    vectors: list[FloatArray] = []
    faults: list[tuple[Segment, Exception]] = []
    for segment, content in zip(segments, contents, strict=True):
        try:
            vectors.append(_encoded(encoder, cast(Batch, [content])))
            kept.append(segment)
        except (DegluError, RuntimeError, ValueError) as error:
            faults.append((segment, error))
    if faults:
        _check_encoder(encoder, unit["modality"], faults[0][1])
    failures = [*unit["failures"], *_failures(unit, kept, faults)]
    return kept, np.concatenate(vectors) if vectors else np.zeros((0, encoder.dims[0]), np.float32), failures


def rows_of(unit: CutUnit, segments: Sequence[Segment], vectors: FloatArray, encoder: Encoder) -> pa.Table:
    """The unit's rows of the vectors dataset, in the order of segments."""
    speech = unit["modality"] == tables.SPEECH
    prints = encoder.fingerprints
    records = [
        {
            "asset_id": unit["asset_id"],
            "unit_id": unit["unit_id"],
            "uri": unit["uri"],
            "content_version": unit["content_version"],
            "modality": unit["modality"],
            "segment_id": segment["segment_id"],
            "start_s": segment["start"] / 1000 if speech else None,
            "end_s": segment["end"] / 1000 if speech else None,
            "start": None if speech else segment["start"],
            "end": None if speech else segment["end"],
            "item": segment["item"],
            "text": segment["text"],
            "lang": segment.get("lang") or unit["lang"],
            # The document's own values win over those of its input.
            "metadata": list({**_of_unit(unit, segment), **dict(segment.get("metadata") or ())}.items()),
            "space": prints.space,
            "encoder": prints.encoder,
        }
        for segment in segments
    ]
    width = encoder.dims[0]
    halves = truncate(vectors, width).astype(np.float16).reshape(-1)
    column = pa.FixedSizeListArray.from_arrays(pa.array(halves, pa.float16()), width)
    provenance = pa.Table.from_pylist(records, schema=tables.PROVENANCE)
    return provenance.append_column(tables.rows(width).field("vector"), column)


def _of_unit(unit: CutUnit, segment: Segment) -> dict[str, str]:
    return dict(of_row(unit["metadata"] or (), segment["start"] / 1000 if unit["modality"] == tables.SPEECH else None))


def ledger_of(unit: CutUnit, num_rows: int, failures: Sequence[FailureRow]) -> LedgerRow:
    """The unit's accounting: decoded = embedded + not speech + lost, to the millisecond."""
    found = unit["decoded_s"] - unit["not_speech_s"] - unit["lost_s"]
    # Part of a failed segment may be lost in decoding already: nothing counts as lost twice.
    lost = min(sum(failure["lost_s"] for failure in failures if failure["stage"] == ENCODE), found)
    outcome = "embedded" if num_rows else "failed" if failures else "skipped"
    return ledger_row(
        unit,
        outcome,
        num_rows,
        decoded_s=unit["decoded_s"],
        embedded_s=found - lost,
        not_speech_s=unit["not_speech_s"],
        lost_s=unit["lost_s"] + lost,
        reason=unit["reason"] if outcome == "skipped" else None,
        digest=unit.get("digest"),
    )


def _encoded(encoder: Encoder, contents: Batch) -> FloatArray:
    """Documents' vectors [n, D].  Raises DegluError where one is not finite."""
    vectors = encoder.encode(contents, "document")
    if not np.isfinite(vectors).all():
        raise DegluError("the model returned a vector that is not finite")
    return vectors


def _check_encoder(encoder: Encoder, modality: str, error: Exception) -> None:
    """Raises MachineFault where a word, or a second of a tone, fails as well: a lost GPU, a library that is missing.

    Only after a RuntimeError, which is what torch raises; others are ours, and of the content.
    """
    if not isinstance(error, RuntimeError):
        return
    tone = np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) * np.float32(0.2)) * np.float32(0.1)
    try:
        encoder.encode([tone] if modality == tables.SPEECH else ["word"], "document")
    except RuntimeError as broken:
        raise MachineFault(f"its model encodes nothing any more ({' '.join(str(broken).split())})") from error
    except (DegluError, ValueError):
        pass  # the model works, and has an answer of its own


def _contents(unit: CutUnit, segments: Sequence[Segment]) -> list[str] | list[FloatArray]:
    if unit["modality"] == tables.TEXT:
        return [segment["text"] or "" for segment in segments]
    signal = np.frombuffer(unit["signal"] or b"", dtype=np.float32)
    places = [(segment["offset"] or 0, segment["length"] or 0) for segment in segments]
    return [signal[offset : offset + length] for offset, length in places]


def _failures(
    unit: CutUnit, kept: Sequence[Segment], faults: Sequence[tuple[Segment, Exception]]
) -> Iterator[FailureRow]:
    """One for each fault.  Segments overlap, so each loses only time that no kept segment or earlier fault covers."""
    speech = unit["modality"] == tables.SPEECH
    covered = [(segment["start"], segment["end"]) for segment in kept]
    for segment, error in faults:
        before_s = _covered_s(unit, covered) if speech else 0.0
        covered.append((segment["start"], segment["end"]))
        yield failure_row(
            unit,
            ENCODE,
            type(error).__name__,
            " ".join(str(error).split()),
            span=(segment["start"], segment["end"]),
            lost_s=_covered_s(unit, covered) - before_s if speech else 0.0,
        )


def _covered_s(unit: CutUnit, spans: Sequence[Span]) -> float:
    """Seconds of the unit's own time that the spans cover together."""
    first = unit["start"] * PER_MS
    return coverage(list(spans), [], (first, first + round(unit["decoded_s"] * SAMPLE_RATE))).embedded_s
