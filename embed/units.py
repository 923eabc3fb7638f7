"""Units of work: slices of assets, derived from the manifest and the spec alone, whoever computes them and when.

A unit is attempted, committed, resumed and counted as a whole.  Its cutting fingerprint holds what decides the
segments, and not how large units are: segment ids stay when units are resized.
"""

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed import identity, vad
from embed.passages import PassageSpec
from embed.segment import SegmentSpec
from embed.tables import ID, SPEECH, UNITS

# Raise these when the code cuts differently for the same spec: ids then change with it.
_SPEECH_RULES = 1
_TEXT_RULES = 1


def plan_units(manifest: pa.Table, segment: SegmentSpec, passage: PassageSpec) -> pa.Table:
    """UNITS of every asset, in the manifest's order; an asset with a problem is one unit, to fail by its name."""
    cutting = {True: speech_cutting(segment), False: text_cutting(passage)}
    rows = []
    for asset in manifest.to_pylist():
        fingerprint = cutting[asset["modality"] == SPEECH]
        for start, end in _slices(asset, segment, passage):
            rows.append({**_unit(asset, fingerprint, start, end), "planned": _planned(asset, start, end)})
    return pa.Table.from_pylist(rows, schema=UNITS)


def left(units: pa.Table, committed_ids: Collection[bytes]) -> pa.Table:
    """The units that are not committed yet, in order."""
    done = pa.array(list(committed_ids), ID)
    return units.filter(pc.invert(pc.is_in(units["unit_id"], value_set=done)))


def speech_cutting(segment: SegmentSpec) -> str:
    """Fingerprint of all that decides where speech is cut, the network that hears speech included."""
    network = None if segment.mode == "windows" else vad.model_digest()
    return identity.digest("speech", _SPEECH_RULES, segment.cutting(), network).hex()


def text_cutting(passage: PassageSpec) -> str:
    return identity.digest("text", _TEXT_RULES, passage.cutting()).hex()


def _slices(asset: dict[str, Any], segment: SegmentSpec, passage: PassageSpec) -> Iterator[tuple[int, int | None]]:
    if asset["problem"] is not None:
        yield 0, None
    elif asset["modality"] != SPEECH:
        yield from _even(asset["size_bytes"], passage.unit_bytes)
    else:
        # An unknown duration is one unit: the last always runs to the end of the stream.
        yield from _even(round((asset["duration_s"] or 0.0) * 1000), segment.unit_s * 1000)


def _planned(asset: dict[str, Any], start: int, end: int | None) -> int:
    whole = round((asset["duration_s"] or 0.0) * 1000) if asset["modality"] == SPEECH else asset["size_bytes"]
    return max((whole if end is None else end) - start, 0)


def _even(length: int, step: int) -> Iterator[tuple[int, int | None]]:
    num = max(-(-length // step), 1)
    for number in range(num):
        yield number * step, None if number == num - 1 else (number + 1) * step


def _unit(asset: dict[str, Any], cutting: str, start: int, end: int | None) -> dict[str, Any]:
    copied = ("asset_id", "uri", "url", "modality", "format", "content_version", "text", "lang", "metadata", "columns")
    return {
        "unit_id": identity.unit_id(asset["asset_id"], asset["content_version"], cutting, start, end),
        **{name: asset[name] for name in copied},
        "start": start,
        "end": end,
    }
