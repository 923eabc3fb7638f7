"""Entry of a listing: an object or a file, or an input that cannot be read, with the reason."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing.  Only `embed.storage.store.inputs` gives folders, whose urls end in `/`."""

    url: str
    size_bytes: int
    etag: str | None  # of remote storage
    mtime: str | None  # ISO 8601, UTC
    problem: str | None = None  # why an input cannot be read, "ErrorClass: message"
    repeats: str | None = None  # of a folder: the url of the same folder, below which its files are listed
    media_type: str | None = None  # as a web server states it: audio/mpeg


def entry_of(url: str, status: os.stat_result) -> Entry:
    """Entry of a local file."""
    try:
        mtime = datetime.fromtimestamp(status.st_mtime_ns // 1_000 / 1e6, UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError, OSError):  # a damaged file system: no calendar has this year
        mtime = None
    return Entry(url, status.st_size, None, mtime)
