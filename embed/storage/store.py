"""Storage by url, the only entry point: bytes in and out of a local folder or an S3 bucket.

- A url is a local path or `s3://bucket/key`; anything else is refused.  `REMOTE` has the kinds of remote storage by
  scheme; only this folder knows them: `local_path` gives the path of a url on this machine's disk.
- Writes are atomic: a file is complete or does not exist; with `create_exclusive` exactly one of many writers wins.
- S3's endpoint and credentials come only from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
  AWS_ENDPOINT_URL, AWS_REGION, or the role of the machine) and are never written anywhere, errors included.
- Transient failures (a busy or absent server, a reset, half a body) are retried for three minutes, or for
  DEGLU_STORAGE_PATIENCE_S seconds; permanent ones (credentials, a missing bucket or object) fail at once.
- Nothing is cached: S3 is consistent, and an outdated listing would lose work.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from embed.errors import SpecError
from embed.redaction import has_user
from embed.storage.entry import Entry
from embed.storage.errors import translate_errors
from embed.storage.local import LocalFiles
from embed.storage.local_inputs import is_inside
from embed.storage.local_names import is_text, path_of
from embed.storage.retry import PATIENCE, Item, Result, each, worker_threads
from embed.storage.s3 import S3Files
from embed.storage.window import opened, window_of

__all__ = ["Entry", "each"]


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/") if len(url) > 1 else url, *parts])


def absolute(url: str) -> str:
    """The url with an absolute path, valid in any working directory.  Raises SpecError for what no file can have."""
    _backend(url)
    return url.rstrip("/") if local_path(url) is None else os.path.abspath(url)


def local_path(url: str) -> Path | None:
    """Path of a url on this machine's disk; None where it is remote, so that its bytes must be requested."""
    return None if SCHEME in url else Path(url)


def read_bytes(url: str) -> bytes:
    """The bytes of a file or object.  Raises InputError where it does not exist."""
    with translate_errors(url):
        return _backend(url).read(url)


def in_turn(act: Callable[[Item], Result], items: Iterable[Item], ahead: int = 8) -> Iterator[Result]:
    """`act` of each item, in order, with `ahead` of them running at a time and no more results in memory."""
    waiting: deque[Future[Result]] = deque()
    with worker_threads(ahead) as pool:
        for item in items:
            waiting.append(pool.submit(act, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def write_bytes(url: str, data: bytes) -> None:
    """Create or replace: one rename or one PUT."""
    with translate_errors(url):
        _backend(url).write(url, data)


def create_exclusive(url: str, data: bytes) -> bool:
    """Create `url` unless it exists: True when it now contains `data`, False when it has other contents.

    `data` must contain a nonce of its writer: after a refusal, which may follow a write whose answer was lost, the
    object is read back and compared.
    """
    with translate_errors(url):
        return _backend(url).create(url, data)


def exists(url: str) -> bool:
    """Whether there is an object or file of exactly this name; folders and prefixes do not count."""
    with translate_errors(url):
        return _backend(url).exists(url)


def listing(url: str, suffix: str = "") -> list[Entry]:
    """Every object at or below `url`, sorted by url; [] when there is none.  Folders are left out."""
    with translate_errors(url):
        found = [entry for entry in _backend(url).listing(url) if entry.url.endswith(suffix)]
    return sorted(found, key=lambda entry: entry.url)


def inputs(url: str, contained: bool = False) -> list[Entry]:
    """As `listing`; also files and folders that cannot be read, each with its problem, and folders that are repeated.

    Where it is `contained`, a link that leads out of the folder `url` is such a problem, OutsideInput.
    Raises a DegluError where `url` itself cannot be listed.
    """
    with translate_errors(url):
        return sorted(_backend(url).inputs(url, contained), key=lambda entry: entry.url)


def is_below(url: str, folder: str) -> bool:
    """Whether a file is in a folder: of a local disk wherever links lead, else by the names."""
    if local_path(url) is None or local_path(folder) is None:
        return url.startswith(f"{folder.rstrip('/')}/") and not {".", ".."} & set(url.split("/"))
    return is_inside(path_of(url), os.path.realpath(path_of(folder)))


def open_input(url: str) -> BinaryIO:
    """A seekable stream for reading; the caller closes it.  Raises InputError where there is no file or object.

    The url may be that of a window of a file (`embed.storage.window`): only its bytes are requested.
    Raises UnreadableFile where this one cannot be read, though its storage answers.  Later errors are translated too: a
    broken stream must not look like a damaged recording.
    """
    window = window_of(url)
    with translate_errors(url):
        if window is None:
            return _backend(url).open(url)
        return opened(_backend(window.file).open(window.file, window.begin, window.end), window)


def delete(urls: Iterable[str]) -> None:
    """Delete objects; missing ones are ignored."""
    urls = list(urls)
    if urls:
        with translate_errors(urls[0]):
            _backend(urls[0]).delete(urls)


def sweep(url: str) -> None:
    """Remove temporary files of killed writers below `url`; young ones are kept, since their writer may be alive."""
    with translate_errors(url):
        _backend(url).sweep(url)


@contextmanager
def scratch(folder: str) -> Iterator[Path]:
    """A local temporary file to write to, near `folder`; `move_in` moves it to its url, else it is removed."""
    with translate_errors(folder), _backend(folder).scratch(folder) as path:
        yield path


def move_in(path: Path, url: str) -> None:
    """Move the local file from `scratch` of the folder of `url` to `url`, in one step, replacing an old file."""
    with translate_errors(url):
        _backend(url).move_in(path, url)


def local_copy(url: str, folder: Path) -> Path:
    """Fetch an object into a local folder, under its own name."""
    path = Path(folder) / url.rsplit("/", 1)[-1]
    with translate_errors(url):
        _backend(url).fetch(url, path)
    return path


class Backend(Protocol):
    """One kind of storage; errors are those of its library, which `embed.storage.errors` translates."""

    def read(self, url: str) -> bytes: ...
    def write(self, url: str, data: bytes) -> None: ...
    def create(self, url: str, data: bytes) -> bool: ...
    def exists(self, url: str) -> bool: ...
    def listing(self, url: str) -> Iterator[Entry]: ...
    def inputs(self, url: str, contained: bool) -> Iterator[Entry]: ...
    def open(self, url: str, begin: int = 0, end: int | None = None) -> BinaryIO: ...
    def delete(self, urls: Sequence[str]) -> None: ...
    def scratch(self, folder: str) -> AbstractContextManager[Path]: ...
    def move_in(self, path: Path, url: str) -> None: ...
    def fetch(self, url: str, path: Path) -> None: ...
    def sweep(self, url: str) -> None: ...


@dataclass(frozen=True)
class Remote:
    """A kind of remote storage: its client, kept while the environment that it reads is the same."""

    client: Callable[[], Backend]
    settings: str  # environment variables that it reads begin with this
    form: str = "bucket/path"  # of its urls, after the scheme


# Remote storage by scheme.  To add another kind: a module, a line here, its errors in `errors`, a test.
REMOTE = {"s3": Remote(S3Files, "AWS_")}
SCHEME = "://"


def _backend(url: str) -> Backend:
    if "\0" in url or not is_text(url):
        raise SpecError(f"{url!a}: no name has a zero byte or half a character; correct it")
    scheme, found, path = url.partition(SCHEME)
    if not found and url:
        return LocalFiles()
    if scheme not in REMOTE:
        raise SpecError(f"{url!r}: neither a local path nor {' nor '.join(map(_form, REMOTE))}; give one of these")
    if has_user(url):
        raise SpecError(f"{url}: a url must contain no keys; set {REMOTE[scheme].settings}* variables instead")
    if not path.strip("/"):
        raise SpecError(f"{url}: the bucket is missing; write {_form(scheme)}")
    return _client(scheme, _environment(REMOTE[scheme].settings))


def _form(scheme: str) -> str:
    return f"{scheme}{SCHEME}{REMOTE[scheme].form}"


def _environment(settings: str) -> str:
    """A digest of everything that the client reads, and of the process: a change or a fork needs a new client."""
    seen = sorted((key, value) for key, value in os.environ.items() if key.startswith(settings) or key == PATIENCE)
    return hashlib.blake2b(repr((os.getpid(), seen)).encode()).hexdigest()


def _client(scheme: str, environment: str) -> Backend:
    """One client for all threads: two would have separate slots."""
    key = scheme, environment
    return _clients.get(key) or _clients.setdefault(key, REMOTE[scheme].client())


_clients: dict[tuple[str, str], Backend] = {}
