"""Units of work: slices of assets, derived from the manifest and the spec alone, on any machine and at any time.

A unit is attempted, committed, resumed and counted as a whole.  Slices are computed for all assets at once, rows
only for the units left: a million units that are done cost seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed import identity
from embed.amount import Amount
from embed.archive.joined_transcripts import DIGEST
from embed.identity import halves_of
from embed.segmentation.rules import Cutting
from embed.tables import ID, PLANNED, SPEECH, UNITS

ROWS_OF = frozenset({"csv", "parquet", "html", "subtitles"})  # formats whose units are ranges of rows, pages or cues
_COPIED = (
    "asset_id", "uri", "url", "modality", "format", "content_version", "tracks", "text", "lang", "metadata", "columns",
    "problem",
)  # fmt: skip
_AT_ONCE = 50_000  # assets that are planned together, with one or two hundred bytes each

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def plan_units(manifest: pa.Table, cutting: Cutting) -> pa.Table:
    """UNITS of every asset, in the manifest's order; an asset with a problem is one unit, which then fails."""
    parts = [_rows(part, slices, ids, np.arange(len(ids))) for part, slices, ids in _planned(manifest, cutting)]
    return pa.concat_tables([UNITS.empty_table(), *parts])


def units_left(
    manifest: pa.Table, cutting: Cutting, committed: pa.Array | pa.ChunkedArray
) -> tuple[pa.Table, Amount, Amount]:
    """UNITS of the plan that are not committed yet, in order; the whole plan's amount; and the committed amount.

    `committed` holds unit ids in any order; those that are not planned are ignored.
    """
    known = _Committed(committed)
    left, planned, before = [UNITS.empty_table()], Amount(), Amount()
    for part, slices, ids in _planned(manifest, cutting):
        done = known.holds(ids)
        speech = _is(part, "modality", SPEECH)[slices.asset]
        planned += _amount(slices.planned, speech)
        before += _amount(slices.planned[done], speech[done])
        left.append(_rows(part, slices, ids, np.flatnonzero(~done)))
    return pa.concat_tables(left), planned, before


def planned_units(manifest: pa.Table, cutting: Cutting) -> pa.Table:
    """PLANNED of all units, in the manifest's order; 48 bytes each."""
    parts = [PLANNED.empty_table()]
    for part, slices, ids in _planned(manifest, cutting):
        of_assets = pa.table({"asset_id": part["asset_id"], "description": identity.descriptions(part)}).take(
            slices.asset
        )
        parts.append(of_assets.add_column(0, "unit_id", ids).cast(PLANNED))
    return pa.concat_tables(parts)


def _planned(manifest: pa.Table, cutting: Cutting) -> Iterator[tuple[pa.Table, "_Slices", pa.Array]]:
    """Batches of assets, with their slices and the slices' ids."""
    for start in range(0, manifest.num_rows, _AT_ONCE):
        part = manifest.slice(start, _AT_ONCE)
        slices = _Slices.of(part, cutting)
        yield part, slices, _ids(part, slices, cutting)


class _Committed:
    """Unit ids, found by their first half: 16 bytes for each."""

    def __init__(self, committed: pa.Array | pa.ChunkedArray) -> None:
        first, second = halves_of(committed)
        order = np.argsort(first, kind="stable")
        self._first, self._second = first[order], second[order]

    def holds(self, ids: pa.Array) -> Bools:
        """Which of these are committed.  Of two with the same first half one may be missed, and embedded again."""
        if not len(self._first):
            return np.zeros(len(ids), bool)
        first, second = halves_of(ids)
        places = np.minimum(np.searchsorted(self._first, first), len(self._first) - 1)
        found: Bools = (self._first[places] == first) & (self._second[places] == second)
        return found


@dataclass(frozen=True)
class _Slices:
    """One entry per unit: the asset's position in the manifest, where it starts and ends (-1: open), its amount."""

    asset: Ints
    start: Ints
    end: Ints
    planned: Ints

    @classmethod
    def of(cls, manifest: pa.Table, cutting: Cutting) -> Self:
        speech = _is(manifest, "modality", SPEECH)
        table = np.isin(manifest["format"].to_numpy(), list(ROWS_OF))
        first, last, length, step = _lengths(manifest, cutting, speech, table)
        num = np.maximum(-(-length // step), 1)
        asset = np.repeat(np.arange(len(num)), num)
        number = np.arange(len(asset)) - np.repeat(np.cumsum(num) - num, num)
        is_last = number == num[asset] - 1
        start = first[asset] + number * step[asset]
        end = np.where(is_last, last[asset], start + step[asset])
        inside = np.where(is_last, length[asset] - number * step[asset], step[asset])
        return cls(asset, start, end, _amounts(manifest, asset, inside, length, table))


def _lengths(manifest: pa.Table, cutting: Cutting, speech: Bools, table: Bools) -> tuple[Ints, Ints, Ints, Ints]:
    """For each asset its first place, its last (-1: the end of the stream), its length and the length of its units.

    An unknown length is one unit: the last always runs to the end of the stream.
    """
    first, last = _ints(manifest, "start_ms", 0), _ints(manifest, "end_ms", -1)
    whole_ms = np.round(1000 * _floats(manifest, "duration_s")).astype(np.int64)
    sound = np.where(last >= 0, last - first, whole_ms)
    # Packed files have their unpacked length in `items`.
    items = _ints(manifest, "items", -1)
    text = np.where(items >= 0, items, np.where(table, 0, _ints(manifest, "size_bytes", 0)))
    length = np.maximum(np.where(speech, sound, text), 0)
    length[np.asarray(manifest["problem"].is_valid())] = 0
    passage = cutting.passage
    step = np.where(speech, 1000 * cutting.segment.unit_s, np.where(table, passage.unit_rows, passage.unit_bytes))
    step = np.where(_is(manifest, "format", "clip"), np.maximum(length, 1), step)  # a clip is not divided
    return first, last, length, step.astype(np.int64)


def _amounts(manifest: pa.Table, asset: Ints, inside: Ints, length: Ints, table: Bools) -> Ints:
    """Milliseconds of sound, or bytes of text; a table's row counts as its average share of the file."""
    bytes_per_row = _ints(manifest, "size_bytes", 0) / np.maximum(length, 1)
    return np.where(table[asset], np.round(inside * bytes_per_row[asset]), inside).astype(np.int64)


def _ids(manifest: pa.Table, slices: _Slices, cutting: Cutting) -> pa.Array:
    """Unit ids, one per slice."""
    prints = _fingerprints(manifest, cutting)
    assets, versions = manifest["asset_id"].to_pylist(), manifest["content_version"].to_pylist()
    places = zip(slices.asset.tolist(), slices.start.tolist(), slices.end.tolist(), strict=True)
    ids = [
        identity.unit_id(assets[at], versions[at], prints[at], start, end if end >= 0 else None)
        for at, start, end in places
    ]
    return pa.array(ids, ID)


def _fingerprints(manifest: pa.Table, cutting: Cutting) -> list[str]:
    """The cutting fingerprint of each asset."""
    known: dict[tuple[Any, ...], str] = {}
    found = []
    for modality, columns, tracks in zip(
        *(manifest[name].to_pylist() for name in ("modality", "columns", "tracks")), strict=True
    ):
        settings = tuple(columns or ())
        transcript = dict(settings).get(DIGEST) if modality == SPEECH else None
        rules = (SPEECH, transcript, *(tracks or ())) if modality == SPEECH else settings
        if rules not in known:
            known[rules] = cutting.speech(tracks, transcript) if modality == SPEECH else cutting.text(dict(settings))
        found.append(known[rules])
    return found


def _rows(manifest: pa.Table, slices: _Slices, ids: pa.Array, positions: Ints) -> pa.Table:
    """UNITS of the slices at `positions`."""
    if len(positions) == len(slices.asset) == manifest.num_rows:
        copied: Any = manifest.select(_COPIED)  # one unit each, all of them: the columns unchanged
    else:
        copied = manifest.select(_COPIED).take(slices.asset[positions])
    columns = {name: copied[name] for name in _COPIED}
    end = slices.end[positions]
    columns |= {
        "unit_id": ids.take(pa.array(positions)),
        "start": pa.array(slices.start[positions]),
        "end": pa.array(end, mask=end < 0),
        "planned": pa.array(slices.planned[positions]),
    }
    return pa.table([columns[name] for name in UNITS.names], schema=UNITS)


def _amount(planned: Ints, speech: Bools) -> Amount:
    sound_s = round(float(planned[speech].sum()) / 1000, 3)
    return Amount(units=len(planned), sound_s=sound_s, text_bytes=int(planned[~speech].sum()))


def _is(manifest: pa.Table, name: str, value: str) -> Bools:
    return np.asarray(pc.equal(manifest[name], value).to_numpy(), bool)


def _ints(manifest: pa.Table, name: str, absent: int) -> Ints:
    return np.asarray(pc.fill_null(manifest[name], absent).to_numpy(), np.int64)


def _floats(manifest: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(manifest[name], 0.0).to_numpy(), np.float64)
