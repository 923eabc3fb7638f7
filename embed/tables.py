"""Arrow schemas of the tables that packages pass to each other; every other module uses these.

MANIFEST  one row per asset, listed once: the fixed denominator of progress and of accounting
UNITS     one row per unit of work, derived from the manifest and the result-defining spec
PLANNED   the ids of all units of a manifest: what a version must account for
CUTS      one row per unit after decoding and cutting: its segments, ready to be encoded
rows(D)   one row per segment with its vector: what a staged unit and a vectors dataset hold
FAILURES  one row per span that could not be embedded
LEDGER    one row per committed unit, with its accounting
PASSED_OVER  one row per file of the inputs that is no asset

`Unit`, `Segment`, `CutUnit`, `FailureRow` and `LedgerRow` are their rows as dictionaries; `failure_row` and
`ledger_row` make these for a unit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

import pyarrow as pa

from embed import identity
from embed.redaction import redacted

ID = pa.binary(16)
METADATA = pa.map_(pa.string(), pa.string())

SPEECH: Final = "speech"
TEXT: Final = "text"

MANIFEST = pa.schema(
    [
        pa.field("asset_id", ID, nullable=False),
        pa.field("uri", pa.string(), nullable=False),  # <input name>/<path below the input's root>
        pa.field("url", pa.string(), nullable=False),  # where it is opened
        pa.field("modality", pa.string(), nullable=False),  # speech | text
        pa.field("format", pa.string(), nullable=False),  # audio utterance row clip list feed tar; a text's
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("duration_s", pa.float64()),  # from the header; null where it has none
        pa.field("items", pa.int64()),  # rows, pages or cues; bytes of UTF-8 where packed or recoded
        pa.field("start_ms", pa.int64()),  # utterance: its place in the recording at `url`
        pa.field("end_ms", pa.int64()),
        pa.field("track", pa.int32()),  # the sound track that the input names, from 0; null: chosen by content
        pa.field("tracks", pa.list_(pa.int32())),  # the sound tracks that are decoded, mixed; null: the only one
        pa.field("text", pa.string()),  # utterance: its transcript, where its list has one
        pa.field("lang", pa.string()),
        pa.field("metadata", METADATA),
        pa.field(
            "columns", METADATA
        ),  # which field holds id, text, title, lang; and the `encoding`; where the input names them
        pa.field("problem", pa.string()),  # why probing failed, "ErrorClass: message"; null when it succeeded
        # The content version by the file's present time, where its content is that of `content_version`; else null.
        pa.field("as_listed", pa.string()),
        pa.field("tags", METADATA),  # of the container, as they were read; null where the input does not take them
        pa.field("checksum", pa.string()),  # "sha256:...", as a bag states it, and its bytes have it; null: none stated
    ]
)

# Files of the inputs that are no assets, with what they are: "hidden file", "picture", "excluded file" ...
PASSED_OVER = pa.schema([pa.field("uri", pa.string(), nullable=False), pa.field("kind", pa.string(), nullable=False)])


def manifest_of(table: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Columns of MANIFEST, by default all, of a table that an older Deglu may have written: nulls where it has none."""
    for field in MANIFEST:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(columns or MANIFEST.names)


UNITS = pa.schema(
    [
        pa.field("unit_id", ID, nullable=False),
        pa.field("asset_id", ID, nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        # milliseconds (speech), bytes of UTF-8 (txt, jsonl) or rows (others)
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64()),  # null: the end of the stream
        pa.field("planned", pa.int64(), nullable=False),  # milliseconds of sound or bytes of text, only for progress
        pa.field("tracks", pa.list_(pa.int32())),
        pa.field("text", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("metadata", METADATA),
        pa.field("columns", METADATA),
        pa.field("problem", pa.string()),  # of the asset, as it was listed
    ]
)

PLANNED = pa.schema([UNITS.field("unit_id"), UNITS.field("asset_id"), pa.field("description", ID, nullable=False)])


class Unit(TypedDict):
    """A row of UNITS."""

    unit_id: bytes
    asset_id: bytes
    uri: str
    url: str
    modality: str
    format: str
    content_version: str
    start: int
    end: int | None
    planned: int
    tracks: list[int] | None
    text: str | None
    lang: str | None
    metadata: list[tuple[str, str]] | None
    columns: list[tuple[str, str]] | None
    problem: str | None


FAILURES = pa.schema(
    [
        pa.field("unit_id", ID, nullable=False),
        pa.field("asset_id", ID, nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),  # probe | transcript | decode | segment | encode | worker
        pa.field("error_class", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("start", pa.int64()),  # of the span that is lost, as in UNITS
        pa.field("end", pa.int64()),
        pa.field("lost_s", pa.float64(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
    ]
)


class FailureRow(TypedDict):
    """A row of FAILURES."""

    unit_id: bytes
    asset_id: bytes
    uri: str
    stage: str
    error_class: str
    message: str
    start: int | None
    end: int | None
    lost_s: float
    attempts: int


LEDGER = pa.schema(
    [
        pa.field("unit_id", ID, nullable=False),
        pa.field("asset_id", ID, nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),  # embedded | failed | skipped
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("decoded_s", pa.float64(), nullable=False),
        pa.field("embedded_s", pa.float64(), nullable=False),
        pa.field("not_speech_s", pa.float64(), nullable=False),
        pa.field("lost_s", pa.float64(), nullable=False),
        pa.field("description", ID),  # digest of the asset's lang, metadata and text in its rows; null: an older Deglu
        pa.field("reason", pa.string()),  # why a unit without rows was skipped; null otherwise, and in older datasets
        pa.field("digest", ID),  # of a local file's content, in its first unit; null otherwise, and in older datasets
    ]
)


class LedgerRow(TypedDict):
    """A row of LEDGER."""

    unit_id: bytes
    asset_id: bytes
    content_version: str
    outcome: str
    rows: int
    decoded_s: float
    embedded_s: float
    not_speech_s: float
    lost_s: float
    description: bytes | None
    reason: str | None
    digest: bytes | None


SEGMENT = pa.struct(
    [
        pa.field("segment_id", ID, nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # milliseconds of the recording, or characters of the document
        pa.field("end", pa.int64(), nullable=False),
        pa.field("item", pa.string()),  # the document inside the asset, for jsonl
        pa.field("text", pa.string()),  # the passage; null for speech
        pa.field("lang", pa.string()),  # of the document, where it has one; else the input's
        pa.field("metadata", METADATA),  # of the document; else of the input
        pa.field("offset", pa.int64()),  # speech: where the segment begins in `signal`, in samples
        pa.field("length", pa.int64()),  # speech: how many samples
    ]
)


class Segment(TypedDict):
    """A row's SEGMENT."""

    segment_id: bytes
    start: int
    end: int
    item: str | None
    text: str | None
    lang: str | None
    metadata: list[tuple[str, str]] | None
    offset: int | None
    length: int | None


CUTS = pa.schema(
    [
        *UNITS,
        pa.field("signal", pa.large_binary()),  # speech: float32 mono 16 kHz, the unit with its halo; null for text
        pa.field("segments", pa.large_list(SEGMENT), nullable=False),
        pa.field("failures", pa.list_(pa.struct(list(FAILURES))), nullable=False),
        pa.field("decoded_s", pa.float64(), nullable=False),
        pa.field("not_speech_s", pa.float64(), nullable=False),
        pa.field("lost_s", pa.float64(), nullable=False),
        pa.field("reason", pa.string()),  # why there are no segments, where that is no failure
        pa.field("digest", ID),  # of the file's content, as in LEDGER
        pa.field("print", pa.large_binary()),  # fingerprint of the sound, packed; null where none was asked for
    ]
)


class CutUnit(Unit):
    """A row of CUTS."""

    signal: bytes | None
    segments: list[Segment]
    failures: list[FailureRow]
    decoded_s: float
    not_speech_s: float
    lost_s: float
    reason: str | None
    digest: bytes | None
    print: NotRequired[bytes | None]


PROVENANCE = pa.schema(
    [
        pa.field("segment_id", ID, nullable=False),
        pa.field("asset_id", ID, nullable=False),
        pa.field("unit_id", ID, nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),  # speech
        pa.field("end_s", pa.float64()),
        pa.field("start", pa.int64()),  # text, characters
        pa.field("end", pa.int64()),
        pa.field("item", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("text", pa.string()),
        pa.field("metadata", METADATA),
        pa.field("space", pa.string(), nullable=False),
        pa.field("encoder", pa.string(), nullable=False),
    ]
)


def failure_row(
    unit: Mapping[str, Any],
    stage: str,
    error_class: str,
    message: str,
    *,
    span: tuple[int | None, int | None] | None = None,
    lost_s: float = 0.0,
    attempts: int = 1,
) -> FailureRow:
    """A failure of a unit, a row of UNITS: of `span`, else of the whole unit."""
    start, end = span or (unit["start"], unit["end"])
    return {
        "unit_id": unit["unit_id"],
        "asset_id": unit["asset_id"],
        "uri": unit["uri"],
        "stage": stage,
        "error_class": error_class,
        "message": redacted(message),
        "start": start,
        "end": end,
        "lost_s": lost_s,
        "attempts": attempts,
    }


def ledger_row(
    unit: Mapping[str, Any],
    outcome: str,
    rows: int = 0,
    *,
    decoded_s: float = 0.0,
    embedded_s: float = 0.0,
    not_speech_s: float = 0.0,
    lost_s: float = 0.0,
    reason: str | None = None,
    digest: bytes | None = None,
) -> LedgerRow:
    """The accounting of a unit, a row of UNITS: decoded = embedded + not speech + lost."""
    return {
        "unit_id": unit["unit_id"],
        "asset_id": unit["asset_id"],
        "content_version": unit["content_version"],
        "outcome": outcome,
        "rows": rows,
        "decoded_s": decoded_s,
        "embedded_s": embedded_s,
        "not_speech_s": not_speech_s,
        "lost_s": lost_s,
        "description": identity.description(unit.get("lang"), unit.get("metadata"), unit.get("text")),
        "reason": reason,
        "digest": digest,
    }


def rows(dim: int) -> pa.Schema:
    """The vectors dataset's rows: provenance, then `vector` [dim] float16, unit length at full `dim`."""
    return PROVENANCE.append(pa.field("vector", pa.list_(pa.float16(), dim), nullable=False))


def with_metadata(schema: pa.Schema, values: Mapping[str, str]) -> pa.Schema:
    """The schema with `deglu.<key>` entries in its file metadata (space, encoder, dims, metric...)."""
    return schema.with_metadata({f"deglu.{key}": value for key, value in values.items()})
