"""Finding of repeats: the units that are new since the last time are compared with all units before them.

Units have an order: first those that were compared before, then the new ones by uri and time.  A span of a unit that
repeats an earlier unit gets a row in REPEATS and is no reference for later units, so that all repeats name the first
broadcast.  So the rows of a unit depend on the units before it alone: nights one by one give the same rows as all at
once, and earlier rows stay.  Where a unit is gone from the dataset, its batch and those after it are made again.

Memory holds one batch of new units and one CHUNK of earlier ones, however long the archive is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from embed.dataset import open_dataset
from embed.dataset.log import versions
from embed.dataset.tombstones import forgotten
from embed.fingerprints.matching import Printed, Reference, Window, better, windows
from embed.fingerprints.peaks import FRAMES_PER_S
from embed.fingerprints.spans import spans
from embed.repeats import table
from embed.repeats.kept import drop_prints, read_prints, units_with_prints
from embed.repeats.table import REPEATS, Batch
from embed.tables import SPEECH

BATCH, CHUNK = 144, 24  # units: a day and four hours

Read = Callable[[Sequence[bytes]], list[Printed]]


@dataclass(frozen=True)
class Found:
    """Result of one call: units compared before and now, and units without a fingerprint."""

    version: int
    before: int
    new: int
    without: int
    rows: pa.Table


def find_repeats(url: str, note: Callable[[str], None] = lambda line: None) -> Found:
    """Bring the table of repeats up to date with the newest version of a dataset.

    The same call continues after any stop.  Raises InputError where no version is published.
    """
    dataset = open_dataset(url)
    purge_forgotten(dataset.url)
    uris = _speech(dataset.assets())
    live = {row["unit_id"]: row["asset_id"] for row in _units(dataset.ledger()) if row["asset_id"] in uris}
    printed = units_with_prints(dataset.url)
    usable = printed & live.keys()
    finished = list(_still_valid(dataset.url, usable))
    before = [unit for batch in finished for unit in batch.units]
    new = _ordered(dataset.url, usable - set(before), live, uris)
    for begin in range(0, len(new), BATCH):
        units = new[begin : begin + BATCH]
        name = table.batch_name(finished[-1].name if finished else "", units)
        batch = table.read_batch(dataset.url, name)
        if batch is None:
            rows = compared(units, finished, lambda ids: read_prints(dataset.url, ids), live, uris)
            batch = Batch(name, tuple(units), rows)
            table.write_batch(dataset.url, batch)
        finished.append(batch)
        note(f"{min(begin + BATCH, len(new))} of {len(new)} new units compared")
    without = len(live) - len(usable)
    table.publish(dataset.url, [one.name for one in finished], dataset.info.number, len(usable), without)
    rows = table.read_repeats(dataset.url)
    assert rows is not None
    return Found(dataset.info.number, len(before), len(new), without, rows)


def purge_forgotten(url: str) -> None:
    """Delete fingerprints of forgotten assets, and then the table, which `find_repeats` makes again without them."""
    if not (printed := units_with_prints(url)):
        return
    assets = set(forgotten(url).to_pylist())
    live = {row["unit_id"] for row in _units(open_dataset(url).ledger())} if versions(url) else set()
    others = sorted(printed - live)  # also of units that are not published yet
    gone = [unit for unit, one in zip(others, read_prints(url, others), strict=True) if one.recording in assets]
    if gone:
        table.delete_table(url)
        drop_prints(url, gone)


def compared(
    units: Sequence[bytes],
    finished: Sequence[Batch],
    read: Read,
    assets: dict[bytes, bytes],
    uris: dict[bytes, str],
) -> pa.Table:
    """REPEATS of a batch of units, in order, compared with all finished batches and with its own earlier units."""
    mine = read(units)
    best: list[dict[int, Window]] = [{} for _ in units]
    order = [unit for batch in finished for unit in batch.units]
    first = 0
    for ids, earlier in _chunks(finished, read):
        reference = Reference(earlier)
        for unit, found in zip(mine, best, strict=True):
            better(found, windows(unit, reference), first)
        first += len(ids)
    order += units
    rows = []
    for begin in range(0, len(units), CHUNK):
        part = range(begin, min(begin + CHUNK, len(units)))
        reference = Reference([mine[place] for place in part])
        for place in part:
            better(best[place], windows(mine[place], reference, place - begin), first + begin)
            found_spans = spans([best[place][number] for number in sorted(best[place])], first + place)
            reference.leave_out(place - begin, [(span.first, span.last) for span in found_spans])
            for span in found_spans:
                asset, of = assets[units[place]], assets[order[span.unit]]
                rows.append(
                    {
                        "asset_id": asset,
                        "uri": uris[asset],
                        "start_s": span.first / FRAMES_PER_S,
                        "end_s": span.last / FRAMES_PER_S,
                        "of_asset_id": of,
                        "of_uri": uris[of],
                        "of_start_s": round(max(span.frame, 0.0) / FRAMES_PER_S, 3),
                        "speed": round(span.speed, 4),
                        "peaks": span.peaks,
                        "unit_id": units[place],
                    }
                )
        for place in range(part.stop, len(units)):
            better(best[place], windows(mine[place], reference), first + begin)
    return pa.Table.from_pylist(rows, schema=REPEATS)


def _chunks(finished: Sequence[Batch], read: Read) -> Iterator[tuple[Sequence[bytes], list[Printed]]]:
    """Units of finished batches with what they repeat, a few at a time."""
    units = [(unit, batch) for batch in finished for unit in batch.units]
    for begin in range(0, len(units), CHUNK):
        part = units[begin : begin + CHUNK]
        repeated = [tuple(table.frames(batch, unit)) for unit, batch in part]
        prints = read([unit for unit, _ in part])
        yield (
            [unit for unit, _ in part],
            [Printed(one.recording, one.peaks, gone) for one, gone in zip(prints, repeated, strict=True)],
        )


def _still_valid(url: str, usable: set[bytes]) -> Iterator[Batch]:
    """Batches of the newest table, up to the first with a unit that is gone."""
    state = table.newest(url)
    for name in state["batches"] if state else ():
        batch = table.read_batch(url, name)
        if batch is None or not usable.issuperset(batch.units):
            return
        yield batch


def _ordered(url: str, units: set[bytes], assets: dict[bytes, bytes], uris: dict[bytes, str]) -> list[bytes]:
    """By uri, then by time."""
    ids = sorted(units)
    starts = [int(one.peaks.frame[0]) if len(one.peaks) else 0 for one in read_prints(url, ids)]
    keys = {unit: (uris[assets[unit]], start, unit) for unit, start in zip(ids, starts, strict=True)}
    return sorted(ids, key=keys.__getitem__)


def _units(ledger: pa.Table) -> list[dict[str, bytes]]:
    found: list[dict[str, bytes]] = ledger.select(["unit_id", "asset_id"]).to_pylist()
    return found


def _speech(assets: pa.Table) -> dict[bytes, str]:
    """Uris of the recordings, by their ids."""
    columns = assets.select(["asset_id", "uri", "modality"]).to_pylist()
    return {row["asset_id"]: row["uri"] for row in columns if row["modality"] == SPEECH}
