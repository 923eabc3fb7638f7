"""Estimate of `deglu plan`: vectors, requests, time and price, from the work left and the pace of a sample."""

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

from embed.amount import Amount
from embed.spec import Rates

PIPELINE = 0.92  # share of the sample's pace that a worker keeps next to storage and Ray (NOTES, 2026-11-22)
READ_BYTES = 1 << 20  # of one request, as embed.storage.range_stream reads ahead
FILE_BYTES = 64 << 20  # of a data file, as embed.dataset.data_files writes them
LISTED_AT_ONCE = 1_000  # objects in one answer to LIST
BEAT_S = 15  # embed.dataset.runs.SEEN_EVERY_S
# The interval of the time is at least this share of it, to both sides: pieces that agree may be alike by chance, and
# PIPELINE is of other machines.  Of a single piece nothing is known but that.
LEAST_SPREAD, SPREAD_OF_ONE = 0.1, 0.3


@dataclass(frozen=True)
class Piece:
    """One timed piece of a sample."""

    amount: float
    cut_s: float
    encode_s: float


@dataclass(frozen=True)
class Pace:
    """Pace of a sample of one modality, on one worker."""

    amount: float  # seconds of sound, or bytes of text
    rows: int
    cut_s: float  # without waits for a core: reading, decoding, cutting
    encode_s: float
    row_bytes: float  # of provenance in storage, a row
    pieces: tuple[Piece, ...] = ()
    # Threads of a worker for each of the sample, which takes one on a busy machine: a worker encodes faster by a factor
    # between 1 and this.
    unused: int = 1

    @property
    def rows_per_amount(self) -> float:
        return self.rows / self.amount if self.amount else 0.0

    def worker_s(self, amount: float, gpu: bool) -> float:
        """Seconds that `amount` takes one worker; with a GPU, CPU tasks cut for it."""
        whole = Piece(self.amount, self.cut_s, self.encode_s)
        return amount * _rate(whole, gpu, sqrt(self.unused)) if self.amount else 0.0

    def bounds_s(self, amount: float, gpu: bool) -> tuple[float, float]:
        """The least and the most of `worker_s`, from the fastest and the slowest piece."""
        middle = self.worker_s(amount, gpu)
        spread = LEAST_SPREAD if len(self.pieces) > 1 else SPREAD_OF_ONE
        fast = [amount * _rate(piece, gpu, self.unused) for piece in self.pieces]
        slow = [amount * _rate(piece, gpu, 1) for piece in self.pieces]
        return min([middle * (1 - spread), *fast]), max([middle * (1 + spread), *slow])


def _rate(piece: Piece, gpu: bool, speedup: float) -> float:
    """Seconds for each second of sound or byte of text, where encoding is `speedup` times as fast."""
    return ((0.0 if gpu else piece.cut_s) + piece.encode_s / speedup) / piece.amount


@dataclass(frozen=True)
class Source:
    """Source files that are still to be read."""

    assets: int  # listed, and each probed
    size_bytes: float  # of what is left
    remote: bool
    output_remote: bool


@dataclass(frozen=True)
class Requests:
    """Requests to S3; all 0 where source and output are local."""

    put: int = 0
    get: int = 0
    list: int = 0


@dataclass(frozen=True)
class Duration:
    """Time of the run and its price."""

    worker_s: float
    wall_s: float
    requests: Requests
    workers_price: float
    requests_price: float

    @property
    def price(self) -> float:
        """The price of the run; keeping the vectors costs `Estimate.month_price` more each month."""
        return self.workers_price + self.requests_price

    def bound(self) -> dict[str, float]:
        return {"worker_s": self.worker_s, "wall_s": self.wall_s, "price": self.price}


@dataclass(frozen=True)
class Estimate:
    """What is expected, and the ends of the interval of its time and price."""

    rows: int
    stored_bytes: int
    month_price: float
    expected: Duration
    least: Duration
    most: Duration

    def document(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "stored_bytes": self.stored_bytes,
            **asdict(self.expected),
            "month_price": self.month_price,
            "price": self.expected.price,
            "least": self.least.bound(),
            "most": self.most.bound(),
        }


def estimate(
    left: Amount,
    source: Source,
    speech: Pace | None,
    text: Pace | None,
    dim: int,
    workers: int,
    gpu: bool,
    rates: Rates,
) -> Estimate:
    """Estimate of all that is left.  A modality without a pace counts as nothing: the caller must report it.

    A row is stored as 2 `dim` bytes of vector and its provenance as measured.  Workers share the units evenly, and
    keep PIPELINE of the sample's pace.  The interval of time and price is that of the pieces of the sample.
    """
    parts = [(pace, amount) for pace, amount in ((speech, left.sound_s), (text, left.text_bytes)) if pace]
    rows = [round(amount * pace.rows_per_amount) for pace, amount in parts]
    stored = round(sum(count * (2 * dim + pace.row_bytes) for count, (pace, _) in zip(rows, parts, strict=True)))

    def lasting(pace_s: float) -> Duration:
        worker_s = pace_s / PIPELINE
        wall_s = worker_s / max(min(workers, left.units), 1)
        asked = requests(left.units, source, stored, wall_s)
        put_price = (asked.put + asked.list) / 1000 * rates.put_per_1000
        return Duration(
            worker_s=round(worker_s, 1),
            wall_s=round(wall_s, 1),
            requests=asked,
            workers_price=round(wall_s * workers / 3600 * rates.worker_hour, 4),
            requests_price=round(put_price + asked.get / 1000 * rates.get_per_1000, 4),
        )

    bounds = [pace.bounds_s(amount, gpu) for pace, amount in parts]
    return Estimate(
        rows=sum(rows),
        stored_bytes=stored,
        month_price=round(stored / 1e9 * rates.gb_month, 4),
        expected=lasting(sum(pace.worker_s(amount, gpu) for pace, amount in parts)),
        least=lasting(sum(least for least, _ in bounds)),
        most=lasting(sum(most for _, most in bounds)),
    )


def requests(units: int, source: Source, stored_bytes: int, wall_s: float) -> Requests:
    """The number of requests to S3.

    The source, where it is on S3: a LIST for each thousand objects; two GETs for each asset to probe it, and two
    more for each unit to find its place; a GET for each MiB.
    The output, where it is on S3, for each unit: its marker is read (GET) and written (PUT), its commit is looked up
    (GET) and written (PUT), and read when it is folded (GET); folded units are deleted, which S3 does not charge.
    For each data file of 64 MiB: a PUT of its own, and four of the tables and the entry that name it, and a LIST of
    staged units for each thousand units.  A PUT every 15 seconds records that the run is alive.
    """
    put = get = listed = 0
    if source.remote:
        listed += -(-source.assets // LISTED_AT_ONCE)
        get += 2 * source.assets + 2 * units + -(-round(source.size_bytes) // READ_BYTES)
    if source.output_remote and units:
        files = -(-stored_bytes // FILE_BYTES) or 1
        listed += files + -(-units // LISTED_AT_ONCE)
        put += 2 * units + 5 * files + round(wall_s / BEAT_S)
        get += 3 * units
    return Requests(put, get, listed)
