"""Storage by url, the only entry point: bytes in and out of a local folder or an S3 bucket, and in from the web.

- A url is a local path or `s3://bucket/key`, or `https://host/path` for reading; anything else is refused.
  `REMOTE` and `WEB` have the kinds of remote storage by scheme; only this folder knows them: `local_path` gives the
  path of a url on this machine's disk.
- Writes are atomic: a file is complete or does not exist; with `create_exclusive` exactly one of many writers wins.
- S3's endpoint and credentials come only from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
  AWS_ENDPOINT_URL, AWS_REGION, or the role of the machine) and are never written anywhere, errors included.
- Transient failures (a busy or absent server, a reset, half a body) are retried for three minutes, or for
  DEGLU_STORAGE_PATIENCE_S seconds; permanent ones (credentials, a missing bucket or object) fail at once.
- Nothing is cached: S3 is consistent, and an outdated listing would lose work.
"""

import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar, cast
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from embed.errors import SpecError
from embed.redaction import has_secret, has_user
from embed.storage.entry import Entry
from embed.storage.errors import translate_errors
from embed.storage.http.files import PRIVATE, HttpFiles
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
    if PRIVATE in url.partition(SCHEME)[0]:
        raise SpecError(
            f"{url}: write it without {PRIVATE}; `web: {{private: true}}` of an input allows such addresses"
        )
    _reader(url)
    if not has_folders(url):
        return urldefrag(url).url
    return url.rstrip("/") if local_path(url) is None else os.path.abspath(url)


def local_path(url: str) -> Path | None:
    """Path of a url on this machine's disk; None where it is remote, so that its bytes must be requested."""
    return None if SCHEME in url else Path(url)


def has_folders(url: str) -> bool:
    """Whether its storage lists the files of a folder; a web server does not: its files are in no input's folder."""
    return SCHEME not in url or url.partition(SCHEME)[0] not in WEB


def allowing_private(url: str) -> str:
    """The url of the web that may lead to addresses of a private network, too; any other url as it is."""
    scheme, found, place = url.partition(SCHEME)
    return url if has_folders(url) or PRIVATE in scheme else f"{scheme}{PRIVATE}{found}{place}"


def linked(base: str, link: str) -> str:
    """Url of a link in a document at `base`: on the web, or relative to the document.

    Raises ValueError for any other link, and for one with a password or a token.
    """
    link = link.strip()
    if not has_folders(base):
        scheme, _, place = base.partition(SCHEME)
        link = urljoin(f"{scheme.removesuffix(PRIVATE)}{SCHEME}{place}", link)
    elif not _SCHEMED.match(link):
        path = unquote(urlsplit(link).path)
        scheme, found, place = base.rpartition("/")[0].rpartition(SCHEME)
        return f"{scheme}{found}{os.path.normpath(os.path.join(place, path))}"
    try:
        if has_folders(link) or PRIVATE in link.partition(SCHEME)[0]:
            raise SpecError(f"{link!r} is neither an address on the web nor relative to its document")
        return absolute(link)
    except SpecError as error:
        raise ValueError(str(error)) from None


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
        return sorted(_reader(url).inputs(url, contained), key=lambda entry: entry.url)


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
            return _reader(url).open(url)
        return opened(_reader(window.file).open(window.file, window.begin, window.end), window)


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


class Reader(Protocol):
    """What inputs are read from; errors are those of its library, which `embed.storage.errors` translates."""

    def inputs(self, url: str, contained: bool) -> Iterator[Entry]: ...
    def open(self, url: str, begin: int = 0, end: int | None = None) -> BinaryIO: ...


class Backend(Reader, Protocol):
    """One kind of storage."""

    def read(self, url: str) -> bytes: ...
    def write(self, url: str, data: bytes) -> None: ...
    def create(self, url: str, data: bytes) -> bool: ...
    def exists(self, url: str) -> bool: ...
    def listing(self, url: str) -> Iterator[Entry]: ...
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
# Of the web inputs are read, and nothing else; what the client reads of the environment is in `SSL_CERT_FILE`.
WEB: dict[str, Callable[[], Reader]] = {
    **dict.fromkeys(("http", "https"), HttpFiles),
    **dict.fromkeys((f"http{PRIVATE}", f"https{PRIVATE}"), partial(HttpFiles, private=True)),
}
SCHEME = "://"
Client = TypeVar("Client", bound=Reader)
_SCHEMED = re.compile(r"[\w+.-]+:|//")


def _reader(url: str) -> Reader:
    """As `_backend`, also of the web."""
    scheme = url.partition(SCHEME)[0] if SCHEME in url else ""
    if scheme not in WEB:
        return _backend(url, f" nor https{SCHEME}host/path")
    _check_characters(url)
    if has_secret(url):
        raise SpecError(f"{url}: a url must contain no keys, since tables and logs keep it; download the file instead")
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise SpecError(f"{url!r}: the host is missing; write {scheme}{SCHEME}host/path")
    return _client(scheme, WEB[scheme], "SSL_CERT")


def _backend(url: str, others: str = "") -> Backend:
    _check_characters(url)
    scheme, found, path = url.partition(SCHEME)
    if not found and url:
        return LocalFiles()
    if scheme not in REMOTE:
        forms = " nor ".join(map(_form, REMOTE))
        raise SpecError(f"{url!r}: neither a local path nor {forms}{others}; give one of these")
    if has_user(url):
        raise SpecError(f"{url}: a url must contain no keys; set {REMOTE[scheme].settings}* variables instead")
    if not path.strip("/"):
        raise SpecError(f"{url}: the bucket is missing; write {_form(scheme)}")
    return _client(scheme, REMOTE[scheme].client, REMOTE[scheme].settings)


def _check_characters(url: str) -> None:
    if "\0" in url or not is_text(url):
        raise SpecError(f"{url!a}: no name has a zero byte or half a character; correct it")


def _form(scheme: str) -> str:
    return f"{scheme}{SCHEME}{REMOTE[scheme].form}"


def _environment(settings: str) -> str:
    """A digest of everything that the client reads, and of the process: a change or a fork needs a new client."""
    seen = sorted((key, value) for key, value in os.environ.items() if key.startswith(settings) or key == PATIENCE)
    return hashlib.blake2b(repr((os.getpid(), seen)).encode()).hexdigest()


def _client(scheme: str, make: Callable[[], Client], settings: str) -> Client:
    """One client for all threads: two would have separate slots."""
    key = scheme, _environment(settings)
    return cast(Client, _clients.get(key) or _clients.setdefault(key, make()))


_clients: dict[tuple[str, str], Reader] = {}
