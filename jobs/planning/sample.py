"""Sample of an archive: a short timed run of the real cut and encode on this machine, for the pace of the whole.

Pieces are spread over the units that are left: from the middle of the first, second and third part of them.  The time
in which other programs have the cores does not count.  Threads that share an operation wait for each other then, which
cannot be taken out: a busy machine encodes the sample on one thread.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.dataset.data_files import REPEATING
from embed.encoder import SAMPLE_RATE, Encoder
from embed.errors import DegluError
from embed.segmentation.units import ROWS_OF
from embed.stages import EncodeUnits, Stage
from embed.tables import SPEECH, TEXT, UNITS, LedgerRow, Unit
from jobs.planning.estimate import Pace, Piece
from jobs.planning.own_time import own_time, waited_s

PIECES = 3
SOUND_MS = 60_000  # of each piece, at most
FIRST_SOUND_MS = 15_000  # of the first, before the pace is known
TEXT_BYTES = 32_768  # of each piece: some forty passages
TEXT_ROWS = 64
BUDGET_S = 20.0  # of wall clock, in all
BUSY = 0.1  # share of the time that a thread waits for a core


@dataclass
class _Tally:
    """The pieces of one modality."""

    pieces: list[Piece] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)

    @property
    def amount(self) -> float:
        return sum(piece.amount for piece in self.pieces)

    @property
    def cut_s(self) -> float:
        return sum(piece.cut_s for piece in self.pieces)

    @property
    def encode_s(self) -> float:
        return sum(piece.encode_s for piece in self.pieces)

    def pace(self, unused: int = 1) -> Pace | None:
        rows = sum(table.num_rows for table in self.tables)
        if not self.amount:
            return None
        stored = row_bytes(self.tables) if rows else 0.0
        return Pace(self.amount, rows, self.cut_s, self.encode_s, stored, tuple(self.pieces), unused)


@dataclass(frozen=True)
class Sample:
    """The measured paces, and the files they were measured on."""

    speech: Pace | None
    text: Pace | None
    uris: tuple[str, ...]
    wall_s: float
    threads: int  # of a worker
    used: int = 1  # of the sample
    waited: float = 0.0  # share of `wall_s` in which other programs had the cores

    @property
    def is_busy(self) -> bool:
        """Whether other programs slowed the sample, or made it take one thread."""
        return self.waited > BUSY or self.used < self.threads


def take_sample(
    units: pa.Table,
    assets: pa.Table,
    encoder: Encoder,
    cut: Stage,
    threads: int,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = own_time,
    waited: Callable[[], float] = waited_s,
    gpu: bool = False,
) -> Sample:
    """Cut and encode pieces of the UNITS that are left, on `threads` threads, or one where the machine is busy.

    Commits nothing.  Each modality gets at least one piece, however slow; a piece that cannot be read gives no pace.
    `clock` times the pieces, `waited` counts the seconds in which other programs had the cores.
    """
    tallies = {SPEECH: _Tally(), TEXT: _Tally()}
    uris: list[str] = []
    begun, before = time.perf_counter(), waited()
    modalities = {modality for modality in tallies if pc.any(pc.equal(units["modality"], modality)).as_py()}
    with _threads(threads):
        _warm_up(encoder, modalities)
        share = _waiting(waited, lambda: _warm_up(encoder, modalities))
    used = 1 if share > BUSY and not gpu else threads
    with _threads(used):
        warm = time.perf_counter()
        for piece in _pieces(units, assets):
            tally = tallies[piece["modality"]]
            left_s = budget_s - (time.perf_counter() - warm)
            if tally.amount and left_s <= 0:
                continue
            narrowed = _narrowed(piece, _sound_ms(tally, left_s))
            if _try(narrowed, encoder, cut, tally, clock):
                uris.append(piece["uri"])
    wall_s = time.perf_counter() - begun
    share = (waited() - before) / max(wall_s, 1e-9)
    speech, text = (tallies[modality].pace(threads // used) for modality in (SPEECH, TEXT))
    return Sample(speech, text, tuple(uris), wall_s, threads, used, share)


def _waiting(waited: Callable[[], float], work: Callable[[], None]) -> float:
    """Share of the work's time in which other programs had the cores."""
    begun, before = time.perf_counter(), waited()
    work()
    return (waited() - before) / max(time.perf_counter() - begun, 1e-9)


def row_bytes(tables: Sequence[pa.Table]) -> float:
    """Compressed bytes of a row's provenance, without the vector and the file's own header and footer."""
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), sink, compression="zstd", use_dictionary=REPEATING)
    metadata = pq.ParquetFile(sink).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    size = sum(chunk.total_compressed_size for chunk in chunks if not chunk.path_in_schema.startswith("vector"))
    return float(size / metadata.num_rows)


def _pieces(units: pa.Table, assets: pa.Table) -> Iterator[Unit]:
    """Units in the middle of each third, by what is planned; the modalities take turns."""
    kinds = [units.filter(pc.equal(units["modality"], modality)) for modality in (SPEECH, TEXT)]
    places = [_spread(kind["planned"].to_numpy()) for kind in kinds]
    for turn in range(PIECES):
        for kind, found in zip(kinds, places, strict=True):
            if turn < len(found):
                yield _closed(kind.slice(found[turn], 1).to_pylist()[0], assets)


def _closed(unit: Unit, assets: pa.Table) -> Unit:
    """The last unit of a table with its end filled in, so that a share of its rows is a share of its bytes."""
    if unit["end"] is not None or unit["format"] not in ROWS_OF:
        return unit
    return {**unit, "end": assets.filter(pc.equal(assets["asset_id"], unit["asset_id"]))["items"][0].as_py()}


def _spread(planned: Any) -> list[int]:
    """Places of at most PIECES different units; first the middle of the whole, as the most representative."""
    if not len(planned):
        return []
    ends = np.cumsum(np.maximum(planned, 1))
    shares = [0.5, *(share for share in (np.arange(PIECES) + 0.5) / PIECES if share != 0.5)]
    found = [int(np.searchsorted(ends, share * ends[-1])) for share in shares]
    return list(dict.fromkeys(found))


def _narrowed(unit: Unit, sound_ms: int) -> Unit:
    """The unit's first part: a narrowed unit gives the segments that start in that part."""
    start, end = unit["start"], unit["end"]
    if unit["modality"] == SPEECH:
        length = min(unit["planned"] or sound_ms, sound_ms)
        return {**unit, "end": start + length, "planned": length}
    if unit["format"] in ROWS_OF:
        whole = (end or TEXT_ROWS) - start
        rows = min(whole, TEXT_ROWS)
        return {**unit, "end": start + rows, "planned": unit["planned"] * rows // max(whole, 1)}
    length = min(unit["planned"] or TEXT_BYTES, TEXT_BYTES)
    return {**unit, "end": start + length, "planned": length}


def _sound_ms(tally: _Tally, left_s: float) -> int:
    """Milliseconds of sound that take a third of the time left."""
    if not tally.amount:
        return FIRST_SOUND_MS
    pace = tally.amount / max(tally.cut_s + tally.encode_s, 1e-9)
    return int(min(max(1000 * pace * left_s / PIECES, FIRST_SOUND_MS), SOUND_MS))


def _try(unit: Unit, encoder: Encoder, cut: Stage, tally: _Tally, clock: Callable[[], float]) -> bool:
    found: list[tuple[pa.Table, LedgerRow]] = []
    begun = clock()
    try:
        cuts = cut.run(pa.Table.from_pylist([unit], schema=UNITS))
        between = clock()
        EncodeUnits(encoder, lambda rows, ledger, failures: found.append((rows, ledger)))(cuts)
        ended = clock()
    except DegluError:
        return False
    rows, ledger = found[0]
    amount = ledger["decoded_s"] if unit["modality"] == SPEECH else float(unit["planned"])
    if not amount or ledger["outcome"] == "failed":
        return False
    tally.pieces.append(Piece(amount, between - begun, ended - between))
    tally.tables.append(rows)
    return True


def _warm_up(encoder: Encoder, modalities: set[str]) -> None:
    """Start-up work of a worker, which does not count as pace."""
    if TEXT in modalities:
        encoder.encode(["a few words"], "document")
    if SPEECH in modalities:
        hum = 0.1 * np.sin(np.arange(SAMPLE_RATE) / 10)
        encoder.encode([hum.astype(np.float32)], "document")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch  # late: listing needs no torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
