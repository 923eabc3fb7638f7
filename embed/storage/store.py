"""The one door to storage: bytes in and out of a local folder or an S3 bucket, by url.

- A url is a local path or `s3://bucket/key`; anything else is refused.
- What is written appears whole or not at all; `create_exclusive` lets exactly one of many writers win.
- S3's endpoint and credentials come from the environment alone (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
  AWS_ENDPOINT_URL, AWS_REGION, or the role of the machine) and are never written anywhere, errors included.
- What may pass (a busy or absent server, a reset, half a body) is tried again for three minutes, or as long as
  DEGLU_STORAGE_PATIENCE_S says; what cannot (credentials, a missing bucket or object) fails at once.
- Nothing is cached: S3 is consistent, and a stale listing would lose work.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from embed.errors import SpecError
from embed.storage.errors import clearly
from embed.storage.local import Entry, LocalFiles
from embed.storage.retry import PATIENCE, Item, Result, crew, each
from embed.storage.s3 import S3, S3Files

__all__ = ["S3", "Entry", "each"]


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/") if len(url) > 1 else url, *parts])


def absolute(url: str) -> str:
    """The same place, whatever folder a worker runs in."""
    _backend(url)
    return url.rstrip("/") if url.startswith(S3) else os.path.abspath(url)


def read_bytes(url: str) -> bytes:
    """Raises InputError when there is nothing."""
    with clearly(url):
        return _backend(url).read(url)


def in_turn(act: Callable[[Item], Result], items: Iterable[Item], ahead: int = 8) -> Iterator[Result]:
    """`act` of each, in order, with `ahead` of them under way at a time and no more results than these in memory."""
    waiting: deque[Future[Result]] = deque()
    with crew(ahead) as pool:
        for item in items:
            waiting.append(pool.submit(act, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def write_bytes(url: str, data: bytes) -> None:
    """Create or replace: one rename or one PUT."""
    with clearly(url):
        _backend(url).write(url, data)


def create_exclusive(url: str, data: bytes) -> bool:
    """Create `url` unless it exists: True when `data` is what stands there now, False when another's is.

    `data` carries a nonce of its writer: after a refusal, which may follow a write whose answer was lost, the object
    is read back and compared.
    """
    with clearly(url):
        return _backend(url).create(url, data)


def exists(url: str) -> bool:
    """Whether an object or file of this very name is there; folders and prefixes are not."""
    with clearly(url):
        return _backend(url).exists(url)


def listing(url: str, suffix: str = "") -> list[Entry]:
    """Every object at or below `url`, sorted by url; [] when there is none.  Folders are left out."""
    with clearly(url):
        found = [entry for entry in _backend(url).listing(url) if entry.url.endswith(suffix)]
    return sorted(found, key=lambda entry: entry.url)


def open_input(url: str) -> BinaryIO:
    """A seekable stream for reading; the caller closes it.  Raises InputError when there is nothing.

    What breaks later is as clear: a stream that breaks must not look like a damaged recording.
    """
    with clearly(url):
        return _backend(url).open(url)


def delete(urls: Iterable[str]) -> None:
    """Delete objects; what is gone already is fine."""
    urls = list(urls)
    if urls:
        with clearly(urls[0]):
            _backend(urls[0]).delete(urls)


def sweep(url: str) -> None:
    """Remove what writers that were killed left below `url` beside their files; what is young may be of a live one."""
    with clearly(url):
        _backend(url).sweep(url)


@contextmanager
def scratch(folder: str) -> Iterator[Path]:
    """A local temporary file to write to, near `folder`; `move_in` gives it its place, else it is removed."""
    with clearly(folder), _backend(folder).scratch(folder) as path:
        yield path


def move_in(path: Path, url: str) -> None:
    """The local file from `scratch` of the folder of `url` becomes `url`, whole, replacing what stood there."""
    with clearly(url):
        _backend(url).move_in(path, url)


def local_copy(url: str, folder: Path) -> Path:
    """Fetch an object into a local folder, under its own name."""
    path = Path(folder) / url.rsplit("/", 1)[-1]
    with clearly(url):
        _backend(url).fetch(url, path)
    return path


class _Backend(Protocol):
    def read(self, url: str) -> bytes: ...
    def write(self, url: str, data: bytes) -> None: ...
    def create(self, url: str, data: bytes) -> bool: ...
    def exists(self, url: str) -> bool: ...
    def listing(self, url: str) -> Iterator[Entry]: ...
    def open(self, url: str) -> BinaryIO: ...
    def delete(self, urls: Sequence[str]) -> None: ...
    def scratch(self, folder: str) -> AbstractContextManager[Path]: ...
    def move_in(self, path: Path, url: str) -> None: ...
    def fetch(self, url: str, path: Path) -> None: ...
    def sweep(self, url: str) -> None: ...


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
    seen = sorted((key, value) for key, value in os.environ.items() if key.startswith("AWS_") or key == PATIENCE)
    return hashlib.blake2b(repr((os.getpid(), seen)).encode()).hexdigest()


def _s3_of(environment: str) -> S3Files:
    """One for all threads: two would be two sets of slots."""
    return _clients.get(environment) or _clients.setdefault(environment, S3Files())


_clients: dict[str, S3Files] = {}
