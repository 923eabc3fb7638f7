"""Estimate of `deglu plan`: vectors, requests, time and price, from the work left and the pace of a sample."""

from dataclasses import asdict, dataclass
from typing import Any

from embed.amount import Amount
from embed.spec import Rates

PIPELINE = 0.92  # share of the sample's pace that a worker keeps next to storage and Ray (NOTES, 2026-11-22)
READ_BYTES = 1 << 20  # of one request, as embed.storage.s3_stream reads ahead
FILE_BYTES = 64 << 20  # of a data file, as embed.dataset.data_files writes them
LISTED_AT_ONCE = 1_000  # objects in one answer to LIST
BEAT_S = 15  # embed.dataset.runs.SEEN_EVERY_S


@dataclass(frozen=True)
class Pace:
    """Pace of a sample of one modality, on one worker."""

    amount: float  # seconds of sound, or bytes of text
    rows: int
    cut_s: float  # of wall clock: reading, decoding, cutting
    encode_s: float
    row_bytes: float  # of provenance in storage, a row

    @property
    def rows_per_amount(self) -> float:
        return self.rows / self.amount if self.amount else 0.0

    def worker_s(self, amount: float, gpu: bool) -> float:
        """Seconds that `amount` takes one worker; with a GPU, CPU tasks cut for it."""
        took_s = self.encode_s if gpu else self.cut_s + self.encode_s
        return amount * took_s / self.amount if self.amount else 0.0


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
class Estimate:
    rows: int
    stored_bytes: int
    worker_s: float
    wall_s: float
    requests: Requests
    workers_price: float
    requests_price: float
    month_price: float

    @property
    def price(self) -> float:
        """The price of the run; keeping the vectors costs `month_price` more each month."""
        return self.workers_price + self.requests_price

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "price": self.price}


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
    keep PIPELINE of the sample's pace.
    """
    parts = [(pace, amount) for pace, amount in ((speech, left.sound_s), (text, left.text_bytes)) if pace]
    rows = [round(amount * pace.rows_per_amount) for pace, amount in parts]
    stored = round(sum(count * (2 * dim + pace.row_bytes) for count, (pace, _) in zip(rows, parts, strict=True)))
    worker_s = sum(pace.worker_s(amount, gpu) for pace, amount in parts) / PIPELINE
    wall_s = worker_s / max(min(workers, left.units), 1)
    asked = requests(left.units, source, stored, wall_s)
    return Estimate(
        rows=sum(rows),
        stored_bytes=stored,
        worker_s=round(worker_s, 1),
        wall_s=round(wall_s, 1),
        requests=asked,
        workers_price=round(wall_s * workers / 3600 * rates.worker_hour, 4),
        requests_price=round(
            (asked.put + asked.list) / 1000 * rates.put_per_1000 + asked.get / 1000 * rates.get_per_1000, 4
        ),
        month_price=round(stored / 1e9 * rates.gb_month, 4),
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
