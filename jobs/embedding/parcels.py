"""Parcels of units: a worker gets one unit at a time, or several small neighbours of together about one unit's size.

A recording of an hour is six units, and six parcels; a thousand clips of three seconds are five parcels, so that
they share batches and storage waits.  A kill loses one parcel: never more than a unit's worth.
"""

from collections.abc import Iterator

import pyarrow as pa

from embed.tables import SPEECH

AT_MOST = 64  # units: markers and commits of all of them are written together


def parcels(units: pa.Table, unit_ms: int, unit_bytes: int) -> list[pa.Table]:
    """Slices of UNITS in order, each of one modality and up to `unit_ms` or `unit_bytes` planned, or one unit."""
    return [units.slice(start, stop - start) for start, stop in _bounds(units, unit_ms, unit_bytes)]


def _bounds(units: pa.Table, unit_ms: int, unit_bytes: int) -> Iterator[tuple[int, int]]:
    start, planned, before = 0, 0, None
    columns = zip(units["modality"].to_pylist(), units["planned"].to_pylist(), strict=True)
    for place, (modality, size) in enumerate(columns):
        size = size or 1
        limit = unit_ms if modality == SPEECH else unit_bytes
        full = planned + size > limit or place - start >= AT_MOST
        if place > start and (modality != before or full):
            yield start, place
            start, planned = place, 0
        planned, before = planned + size, modality
    if start < units.num_rows:
        yield start, units.num_rows
