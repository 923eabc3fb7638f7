"""The one door to storage: bytes in and out of a local folder or an S3 bucket, by url.

- A url is a local path or `s3://bucket/key`; anything else is refused.
- What is written appears whole or not at all; `create_exclusive` lets exactly one of many writers win.
- S3's endpoint and credentials come from the environment alone (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
  AWS_ENDPOINT_URL, AWS_REGION, or the role of the machine) and are never written anywhere, errors included.
- Nothing is cached: S3 is consistent, and a stale listing would lose work.
"""

import hashlib
import io
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import s3fs
from botocore.exceptions import BotoCoreError

from embed.errors import SpecError, StorageError
from embed.local_files import Entry, LocalFiles
from embed.store_errors import clear_error

__all__ = ["Entry"]

S3 = "s3://"
DELETE_AT_ONCE = 1_000  # S3's own limit
READ_AHEAD_BYTES = 1 << 20
PAUSES_S = (0.2, 1.0)  # between attempts of an exclusive creation whose outcome is unknown


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/") if len(url) > 1 else url, *parts])


def absolute(url: str) -> str:
    """The same place, whatever folder a worker runs in."""
    _backend(url)
    return url.rstrip("/") if url.startswith(S3) else os.path.abspath(url)


def read_bytes(url: str) -> bytes:
    """Raises InputError when there is nothing."""
    with _clearly(url):
        return _backend(url).read(url)


def read_all(urls: Iterable[str], ahead: int = 8) -> Iterator[bytes]:
    """The contents in order, with `ahead` small objects fetched at a time."""
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(ahead) as pool:
        for url in urls:
            waiting.append(pool.submit(read_bytes, url))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def write_bytes(url: str, data: bytes) -> None:
    """Create or replace: one rename or one PUT."""
    with _clearly(url):
        _backend(url).write(url, data)


def create_exclusive(url: str, data: bytes) -> bool:
    """Create `url` unless it exists: True when `data` is what stands there now, False when another's is.

    `data` carries a nonce of its writer: after a refusal, a timeout or a reset the object is read back and
    compared, so a write whose answer was lost still counts as ours.
    """
    backend = _backend(url)
    for pause_s in (*PAUSES_S, None):
        try:
            with _clearly(url):
                backend.create(url, data)
            return True
        except StorageError:
            standing = read_bytes(url) if exists(url) else None
            if standing is not None:
                return standing == data
            if pause_s is None:
                raise
            time.sleep(pause_s)
    raise AssertionError("the last attempt returns or raises")


def exists(url: str) -> bool:
    """Whether an object or file of this very name is there; folders and prefixes are not."""
    with _clearly(url):
        return _backend(url).exists(url)


def listing(url: str, suffix: str = "") -> list[Entry]:
    """Every object at or below `url`, sorted by url; [] when there is none.  Folders are left out."""
    with _clearly(url):
        found = [entry for entry in _backend(url).listing(url) if entry.url.endswith(suffix)]
    return sorted(found, key=lambda entry: entry.url)


def open_input(url: str) -> BinaryIO:
    """A seekable stream for reading; the caller closes it.  Raises InputError when there is nothing."""
    with _clearly(url):
        return _backend(url).open(url)


def delete(urls: Iterable[str]) -> None:
    """Delete objects; what is gone already is fine."""
    urls = list(urls)
    if urls:
        with _clearly(urls[0]):
            _backend(urls[0]).delete(urls)


@contextmanager
def scratch(folder: str) -> Iterator[Path]:
    """A local temporary file to write to, near `folder`; `move_in` gives it its place, else it is removed."""
    with _clearly(folder), _backend(folder).scratch(folder) as path:
        yield path


def move_in(path: Path, url: str) -> None:
    """The local file from `scratch` of the folder of `url` becomes `url`, whole, replacing what stood there."""
    with _clearly(url):
        _backend(url).move_in(path, url)


def local_copy(url: str, folder: Path) -> Path:
    """Fetch an object into a local folder, under its own name."""
    path = Path(folder) / url.rsplit("/", 1)[-1]
    with _clearly(url):
        _backend(url).fetch(url, path)
    return path


class _Backend(Protocol):
    def read(self, url: str) -> bytes: ...
    def write(self, url: str, data: bytes) -> None: ...
    def create(self, url: str, data: bytes) -> None: ...
    def exists(self, url: str) -> bool: ...
    def listing(self, url: str) -> Iterator[Entry]: ...
    def open(self, url: str) -> BinaryIO: ...
    def delete(self, urls: Sequence[str]) -> None: ...
    def scratch(self, folder: str) -> AbstractContextManager[Path]: ...
    def move_in(self, path: Path, url: str) -> None: ...
    def fetch(self, url: str, path: Path) -> None: ...


def _backend(url: str) -> _Backend:
    if url.startswith(S3):
        if not url.removeprefix(S3).strip("/"):
            raise SpecError(f"{url}: names no bucket; write s3://bucket/path")
        return _s3_of(_environment())
    if "://" in url or not url:
        raise SpecError(f"{url!r}: neither a local path nor s3://bucket/path; give one of these")
    return LocalFiles()


def _environment() -> str:
    """A digest of everything the S3 client reads, and of the process: clients survive neither change nor fork."""
    seen = sorted((key, value) for key, value in os.environ.items() if key.startswith("AWS_"))
    return hashlib.blake2b(repr((os.getpid(), seen)).encode()).hexdigest()


@lru_cache(maxsize=4)
def _s3_of(environment: str) -> "_S3Files":
    return _S3Files()


@contextmanager
def _clearly(url: str) -> Iterator[None]:
    """Turns what the libraries raise into one clear line."""
    try:
        yield
    except (OSError, BotoCoreError) as error:
        raise clear_error(url, error) from error


class _S3Files:
    """The S3 half; s3fs does the talking."""

    def __init__(self) -> None:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._fs: Any = s3fs.S3FileSystem(
            skip_instance_cache=True,
            use_listings_cache=False,
            default_block_size=8 * READ_AHEAD_BYTES,
            endpoint_url=endpoint,
            config_kwargs={
                "connect_timeout": 5,
                "read_timeout": 60,
                "max_pool_connections": 32,
                "retries": {"mode": "standard", "max_attempts": 4},
                # Servers of one's own seldom have a name per bucket.
                "s3": {"addressing_style": "path" if endpoint else "auto"},
            },
        )
        self._fs.retries = 2  # botocore's four attempts are inside each of these

    def read(self, url: str) -> bytes:
        return cast(bytes, self._fs.cat_file(url))

    def write(self, url: str, data: bytes) -> None:
        self._fs.pipe_file(url, data, chunksize=len(data) + 1)  # one PUT, never parts

    def create(self, url: str, data: bytes) -> None:
        # If-None-Match; a lost race is OSError(EINVAL) or FileExistsError, as the server words its 412.
        self._fs.pipe_file(url, data, mode="create", chunksize=len(data) + 1)

    def exists(self, url: str) -> bool:
        try:
            return bool(self._fs.info(url)["type"] == "file")
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(getattr(error.__cause__, "response", "")):
                raise
            return False

    def listing(self, url: str) -> Iterator[Entry]:
        for name, info in self._fs.find(url, detail=True).items():
            if info["type"] == "file" and not name.endswith("/"):  # some servers leave `prefix/` behind
                moment = info["LastModified"].isoformat(timespec="microseconds")
                yield Entry(S3 + name, info["size"], info["ETag"].strip('"') or None, moment)

    def open(self, url: str) -> BinaryIO:
        stream = _ClearStream(url, self._fs.open(url, "rb", cache_type="readahead", block_size=READ_AHEAD_BYTES))
        return cast(BinaryIO, io.BufferedReader(stream, READ_AHEAD_BYTES))

    def delete(self, urls: Sequence[str]) -> None:
        for start in range(0, len(urls), DELETE_AT_ONCE):
            some = [url.removeprefix(S3).partition("/") for url in urls[start : start + DELETE_AT_ONCE]]
            keys = {"Objects": [{"Key": key} for _, _, key in some], "Quiet": True}
            answer = self._fs.call_s3("delete_objects", Bucket=some[0][0], Delete=keys)
            if answer.get("Errors"):
                raise PermissionError(f"{len(answer['Errors'])} of {len(some)} objects could not be deleted")

    @contextmanager
    def scratch(self, folder: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="deglu-") as place:
            yield Path(place) / "scratch"

    def move_in(self, path: Path, url: str) -> None:
        self._fs.put_file(str(path), url)

    def fetch(self, url: str, path: Path) -> None:
        self._fs.get_file(url, str(path))


class _ClearStream(io.RawIOBase):
    """An s3fs file whose errors are clear: a stream that breaks must not look like a damaged recording."""

    def __init__(self, url: str, inner: Any) -> None:
        self._url, self._inner = url, inner

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _clearly(self._url):
            data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def close(self) -> None:
        self._inner.close()
        super().close()
