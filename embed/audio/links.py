"""Links of a chain: where the recordings begin that were joined to one ogg or Matroska, as by `cat`.

Each link is read by itself.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from embed.audio.stream import Recent, Watched, key_of

_BEGIN = re.compile(rb"OggS\0[\2\6]\0{8}.{4}\0{4}", re.DOTALL)  # the first page of a stream: granule 0, page 0
_PAGE_BYTES = 27 + 255 * 256  # at most
_LOOK_BYTES = 1 << 14
_CHUNK_BYTES = 1 << 20
_scanned: Recent[list[int]] = Recent()  # beginnings in files that were read through

_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"


def ranges(file: Watched, url: str) -> list[tuple[int, int]]:
    """Where each link of an ogg or Matroska begins and ends; of another format none."""
    magic = file.read_at(0, 4)
    begins: list[int] = []
    if magic == b"OggS":
        begins = _ogg_begins(file, url) if _is_ogg_chain(file) else [0]
    elif magic == _EBML:
        begins = list(_matroska_begins(file))
    return list(zip(begins, [*begins[1:], file.size], strict=False))


class _Page(NamedTuple):
    granule: int
    serial: int
    size: int
    begins: bool


def _page(file: Watched, at: int) -> _Page | None:
    head = file.read_at(at, 27 + 255)
    if len(head) < 27 or head[:5] != b"OggS\0":
        return None
    granule, serial = struct.unpack_from("<qI", head, 6)
    sizes = head[27 : 27 + head[26]]
    return _Page(granule, serial, 27 + len(sizes) + sum(sizes), bool(head[5] & 2))


def _is_ogg_chain(file: Watched) -> bool:
    """Whether some later page is of a stream that does not begin the file, or time goes back."""
    latest: dict[int, int] = {}
    at = 0
    while (page := _page(file, at)) is not None and page.begins:
        latest[page.serial] = 0
        at += page.size
    for place in (file.size // 4, file.size // 2, file.size * 3 // 4, None):
        page = _last_page(file) if place is None else _next_page(file, place)
        if page is None or page.granule < 0:  # no packet ends on this page
            continue
        if page.granule < latest.get(page.serial, page.granule + 1):
            return True
        latest[page.serial] = page.granule
    return False


def _next_page(file: Watched, at: int) -> _Page | None:
    found = file.read_at(at, _LOOK_BYTES).find(b"OggS\0")
    return None if found < 0 else _page(file, at + found)


def _last_page(file: Watched) -> _Page | None:
    begin = max(file.size - _PAGE_BYTES, 0)
    found = file.read_at(begin, _PAGE_BYTES).rfind(b"OggS\0")
    return None if found < 0 else _page(file, begin + found)


def _ogg_begins(file: Watched, url: str) -> list[int]:
    """Places of links, by reading the file through, once a process."""
    return _scanned.of(key_of(file, url), lambda: list(_scan(file)))


def _scan(file: Watched) -> Iterator[int]:
    """Places where streams begin; those that begin together are one link."""
    yield 0
    end = 0
    for at in _matches(file):
        page = _page(file, at)
        if page is not None:
            if at > end:
                yield at
            end = at + page.size


def _matches(file: Watched) -> Iterator[int]:
    """Places where an ogg stream begins."""
    overlap = 21  # one byte less than the pattern is long
    for begin in range(0, file.size, _CHUNK_BYTES):
        chunk = file.read_at(begin, _CHUNK_BYTES + overlap)
        yield from (begin + match.start() for match in _BEGIN.finditer(chunk))


def _matroska_begins(file: Watched) -> Iterator[int]:
    """Places of links; a file that is damaged, or whose writer did not know its length, is one."""
    at = 0
    while at < file.size and file.read_at(at, 4) == _EBML:
        yield at
        header = _element_end(file, at)
        if header is None or file.read_at(header, 4) != _SEGMENT or (end := _element_end(file, header)) is None:
            return
        at = end


def _element_end(file: Watched, at: int) -> int | None:
    """Where an EBML element with an id of four bytes ends; None where its length is unknown."""
    head = file.read_at(at + 4, 8)
    if not head or not head[0]:
        return None
    num = 9 - head[0].bit_length()
    value = int.from_bytes(head[:num], "big") & ((1 << 7 * num) - 1)
    return None if value == (1 << 7 * num) - 1 or len(head) < num else at + 4 + num + value
