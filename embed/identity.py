"""Content-derived ids: the same input and spec always give the same 16-byte ids, on any machine, in any order."""

import hashlib
from collections.abc import Iterable
from json.encoder import encode_basestring as _quoted
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.base_spec import canonical_json

ID_BYTES = 16
OF_TIME = "size:"  # begins a content version that follows the time of a file


def digest(*parts: Any) -> bytes:
    """blake2b-128 of the parts as canonical JSON; bytes enter as hexadecimal."""
    plain = [part.hex() if isinstance(part, bytes) else part for part in parts]
    return hashlib.blake2b(canonical_json(plain), digest_size=ID_BYTES).digest()


def asset_id(uri: str) -> bytes:
    """Id of the uri relative to the archive's root, so that an archive may move."""
    # The same as `digest`, written out for speed: it runs for each of millions of files.
    return hashlib.blake2b(f'["asset",{_quoted(uri)}]'.encode(), digest_size=ID_BYTES).digest()


def content_version(etag: str | None, size: int, mtime: str | None) -> str:
    """The etag where the store gives one, else size and modification time."""
    return f"etag:{etag}" if etag else f"{OF_TIME}{size};mtime:{mtime}"


def is_of_time(version: str) -> bool:
    """Whether a content version follows the time of a file, which may be another one for the same content."""
    return version.startswith(OF_TIME)


def unit_id(asset: bytes, version: str, cutting: str, start: int, end: int | None) -> bytes:
    """`start` and `end` in milliseconds (speech) or bytes (text); None means the end of the stream."""
    # The same as `digest`, written out for speed: it runs for each of millions of units.
    places = f"{start},{'null' if end is None else end}"
    plain = f'["unit","{asset.hex()}",{_quoted(version)},{_quoted(cutting)},{places}]'
    return hashlib.blake2b(plain.encode(), digest_size=ID_BYTES).digest()


def description(lang: str | None, metadata: Iterable[tuple[str, str]] | None, text: str | None) -> bytes:
    """Digest of what an asset says of all its rows: language, metadata, transcript."""
    return digest("description", lang, sorted(metadata or ()), text)


def descriptions(assets: pa.Table) -> pa.Array:
    """The description of each asset, of a table with `lang`, `metadata` and `text`."""
    known: dict[tuple[Any, ...], bytes] = {}
    columns = (assets[name].to_pylist() for name in ("lang", "metadata", "text"))
    keys = [(lang, tuple(metadata or ()), text) for lang, metadata, text in zip(*columns, strict=True)]
    found = [known.get(key) or known.setdefault(key, description(*key)) for key in keys]
    return pa.array(found, pa.binary(ID_BYTES))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file on this machine's disk, in hexadecimal.  Raises OSError."""
    with path.open("rb") as file:
        return stream_sha256(file)


def stream_sha256(stream: BinaryIO) -> str:
    """SHA-256 of a stream from its position to its end, in hexadecimal; the position is then the end."""
    return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # all have `readinto`


def stream_digest(stream: BinaryIO) -> bytes:
    """blake2b-128 of a stream from its position to its end."""
    return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=ID_BYTES)).digest()  # type: ignore[arg-type]


def segment_id(
    asset: bytes,
    version: str,
    cutting: str,
    start: int,
    end: int,
    item: str | None = None,
    place: int | None = None,
) -> bytes:
    """`start` and `end` in milliseconds (speech) or characters (text).

    `item` names a document inside the asset, and `place` is its byte or row there: names need not be unique.
    """
    return digest("segment", asset, version, cutting, start, end, item, place)


def halves_of(ids: pa.Array | pa.ChunkedArray) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first and the second 8 bytes of each id, as numbers: for searching among millions."""
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    whole = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    if not len(whole):
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    numbers = np.frombuffer(whole.buffers()[1], np.uint64)[2 * whole.offset :][: 2 * len(whole)]
    return numbers[::2], numbers[1::2]
