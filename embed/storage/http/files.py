"""Files of a web server, for reading alone: entries by their etag, streams by ranges, with the patience of storage.

- A version of a file is its etag, else its time and size; a file that is replaced while it is read is never mixed.
- Answers of less than their stated length are never accepted as data.
- A server without ranges is read once, to this machine's disk.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader
from typing import BinaryIO, cast

from urllib3 import BaseHTTPResponse

from embed.errors import InputError, UnreadableFile
from embed.storage.entry import Entry
from embed.storage.http.requests import Passing, WebRequests
from embed.storage.http.whole_files import WholeFile, WholeFiles
from embed.storage.range_stream import FIRST_BYTES, Head, RangeStream
from embed.storage.retry import Patience

PRIVATE = "+private"  # ends the scheme of a url that may lead to private addresses
BUFFER_BYTES = 1 << 16
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True)
class WebHead(Head):
    """`at` is where redirects end; `whole` is the file of a server without ranges."""

    at: str = ""
    media_type: str | None = None
    whole: WholeFile | None = None


class HttpFiles:
    """The web's part of `embed.storage.store`; urls are http://host/path, https or, where allowed, http+private."""

    def __init__(self, private: bool = False, patience: Patience | None = None) -> None:
        self._requests = WebRequests(private, patience)
        self._whole = WholeFiles()

    def inputs(self, url: str, contained: bool) -> Iterator[Entry]:
        """The file itself: a web server lists nothing."""
        head = self.head(url, 1)
        yield Entry(url, head.size_bytes, head.etag or None, None, media_type=head.media_type)

    def open(self, url: str, begin: int = 0, end: int | None = None) -> BinaryIO:
        head = self.head(url, FIRST_BYTES)
        return cast(BinaryIO, BufferedReader(RangeStream(head, _Parts(url, head, self._requests).read), BUFFER_BYTES))

    def head(self, url: str, first_bytes: int) -> WebHead:
        """The beginning of a file (nothing where only its size is asked for), its size and version."""
        url = _address(url)
        asked = {"Range": f"bytes=0-{first_bytes - 1}"}
        return self._requests.get(url, url, asked, partial(self._head, url, first_bytes > 1))

    def _head(self, url: str, opening: bool, response: BaseHTTPResponse, at: str) -> WebHead:
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower() or None
        if response.status == 206 and (found := _RANGE.fullmatch(response.headers.get("Content-Range", ""))):
            start, last, size = map(int, found.groups())
            data = _body(response, last + 1 - start)
            return WebHead(data, size, _version(response, size), at=at, media_type=media_type)
        if response.status == 416:  # an empty file has no first byte
            return WebHead(b"", 0, _version(response, 0), at=at, media_type=media_type)
        stated = response.headers.get("Content-Length", "")
        etag = _version(response, int(stated)) if stated.isdigit() else ""
        if etag and not opening and not response.headers.get("Content-Encoding"):
            return WebHead(b"", int(stated), etag, at=at, media_type=media_type)
        if response.status == 206:
            raise UnreadableFile(f"{url}: the server gives ranges without the size of the file; download it")
        whole = self._whole.of(url, etag, response)
        return WebHead(b"", whole.size_bytes, etag or f"{whole.size_bytes}", at=at, media_type=media_type, whole=whole)


@dataclass
class _Parts:
    """The parts of an open file."""

    url: str
    head: WebHead
    requests: WebRequests
    at: str = field(init=False)  # not through all redirects for each part

    def __post_init__(self) -> None:
        self.url, self.at = _address(self.url), self.head.at

    def read(self, _: Head, start: int, stop: int) -> bytes:
        """Exactly these bytes, or those to the end of the file."""
        stop = min(stop, self.head.size_bytes)
        if self.head.whole is not None:
            return self.head.whole.part(start, stop)
        asked = {"Range": f"bytes={start}-{stop - 1}"}
        try:
            return self.requests.get(self.url, self.at, asked, partial(self._part, start, stop))
        except (InputError, UnreadableFile):
            if self.at == self.url:
                raise
        self.at = self.url  # a signed address ends after some time
        return self.requests.get(self.url, self.at, asked, partial(self._part, start, stop))

    def _part(self, start: int, stop: int, response: BaseHTTPResponse, at: str) -> bytes:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status != 206 or found is None:
            raise Passing("its server sent the whole file in place of a part")
        first, last, size = map(int, found.groups())
        if size != self.head.size_bytes or _version(response, size) != self.head.etag:
            raise InputError(f"{self.url}: was replaced while it was read; run again")
        if (first, last + 1) != (start, stop):
            raise Passing("its server sent another part of the file")
        self.at = at
        return _body(response, stop - start)


def _address(url: str) -> str:
    return url.replace(f"{PRIVATE}://", "://", 1)


def _version(response: BaseHTTPResponse, size: int) -> str:
    """The etag, else the time and the size of the file."""
    etag = response.headers.get("ETag", "").strip().replace('"', "")
    return etag or f"{response.headers.get('Last-Modified', '')} {size}".strip()


def _body(response: BaseHTTPResponse, size: int) -> bytes:
    data = bytearray()
    while len(data) <= size and (more := response.read(size + 1 - len(data), decode_content=False)):
        data += more
    if len(data) != size:
        raise Passing("its server sent another number of bytes than it states")
    return bytes(data)
