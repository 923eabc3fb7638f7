"""A bad network in front of a real S3 server: an HTTP proxy that spoils a share of the requests, by seed.

What befalls a request depends only on the seed, on what is asked, and on how often it was asked before: not on the
order in which threads or processes come.  Faults (`Fault`): 503 SlowDown; a reset before the server hears anything; a
delay; half a request body, then a reset; a reset after the server has acted; half an answer; and for conditional PUTs a
412 after a commit that did succeed.

For tests there are two fixtures in tests/conftest.py:

    def test_something(faulty_s3: FaultProxy, s3_url: str) -> None:
        ...                                  # 20 % of the requests to s3_url are spoilt, seed 0
        assert faulty_s3.spoilt()            # how often each fault was dealt

    @pytest.mark.parametrize("faulty_s3", [7], indirect=True)      # another seed
    faulty_s3.deal = lambda asked: Fault.RESET if asked.method == "PUT" else None     # faults of one's own choice

`faulty_s3` stands before the session's server and sets AWS_ENDPOINT_URL while the test lasts: processes that are
started meanwhile (a Ray cluster of the test's own, not the session's `ray_session`) go through it as well.  `own_s3` is
a server of the test's own with `kill()` and `start()`; `FaultProxy(own_s3.endpoint)` makes a bad network before that.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from urllib.parse import urlsplit

SHARE = 0.2
DELAY_S = 0.2
LINE_BYTES = 1 << 16
PIECE_BYTES = 1 << 16
ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>of the fault proxy</Message></Error>"


class Fault(Enum):
    SLOW_DOWN = "slow down"
    RESET = "reset before anything is heard"
    DELAY = "delay"
    CUT_REQUEST = "half a request body"
    LOST_ANSWER = "reset after the server has acted"
    CUT_ANSWER = "half an answer"
    FALSE_412 = "412 after a commit that did succeed"


@dataclass(frozen=True)
class Asked:
    """A request: `time` counts those of the same method and path, from 0."""

    method: str
    path: str
    time: int
    conditional: bool
    body_bytes: int


Deal = Callable[[Asked], Fault | None]


def by_seed(seed: int, share: float = SHARE) -> Deal:
    """A fault for `share` of the requests, each that fits as likely as the other."""

    def deal(asked: Asked) -> Fault | None:
        dice = random.Random(f"{seed} {asked.method} {asked.path} {asked.time}")
        if dice.random() >= share:
            return None
        fitting = [Fault.SLOW_DOWN, Fault.RESET, Fault.DELAY, Fault.LOST_ANSWER]
        fitting += [Fault.CUT_REQUEST] if asked.body_bytes else []
        fitting += [Fault.CUT_ANSWER] if asked.method == "GET" else []
        fitting += [Fault.FALSE_412, Fault.FALSE_412] if asked.conditional else []
        return dice.choice(fitting)

    return deal


class FaultProxy:
    """Runs in a thread of its own from `with` to its end; `deal` may be changed at any time."""

    def __init__(self, target: str, deal: Deal | None = None) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self.deal = deal or by_seed(0)
        self.endpoint = ""
        self.archived: set[str] = set()  # paths of objects whose GET is refused, as those of an archive class
        self.dealt: Counter[Fault | None] = Counter()
        self._times: Counter[tuple[str, str]] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def spoilt(self) -> int:
        """How many requests met a fault."""
        return sum(count for fault, count in self.dealt.items() if fault)

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LINE_BYTES)
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _end(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, and one to the server for as long."""
        upstream = None
        with _closing(writer) as client:
            try:
                while head := await _head(reader):
                    asked = self._asked(head)
                    fault = self.deal(asked)
                    self.dealt[fault] += 1
                    if asked.method == "GET" and asked.path.partition("?")[0] in self.archived:
                        await _answer(client, 403, "Forbidden", ERROR % b"InvalidObjectState")
                        continue
                    if "expect" in head.fields and fault is not Fault.RESET:
                        client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    if await self._refused(fault, head, reader, client):
                        continue
                    upstream = upstream or await asyncio.open_connection(*self._target)
                    await self._pass_on(fault, head, (reader, client), upstream)
            except (OSError, asyncio.IncompleteReadError, _HangUp):
                _reset(client)
            except (_CutShort, asyncio.CancelledError):
                pass  # `_closing` ends it
            finally:
                if upstream:
                    upstream[1].transport.abort()

    def _asked(self, head: "_Head") -> Asked:
        method, path = head.first.split(" ")[:2]
        self._times[method, path] += 1
        conditional = "if-none-match" in head.fields
        return Asked(method, path, self._times[method, path] - 1, conditional, head.size)

    async def _refused(
        self, fault: Fault | None, head: "_Head", reader: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> bool:
        """Deals the faults of which the server hears nothing."""
        if fault is Fault.RESET:
            raise _HangUp
        if fault is Fault.DELAY:
            await asyncio.sleep(DELAY_S)
        if fault is Fault.SLOW_DOWN:
            async for _ in _body(head, reader):
                pass
            await _answer(client, 503, "Service Unavailable", ERROR % b"SlowDown", head.method != "HEAD")
        return fault is Fault.SLOW_DOWN

    async def _pass_on(
        self,
        fault: Fault | None,
        head: "_Head",
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """The request to the server and its answer back, with what befalls them."""
        await _forward(head, near[0], far[1], half=fault is Fault.CUT_REQUEST)
        answer = await _head(far[0])
        while answer and answer.status == 100:  # that was said already
            answer = await _head(far[0])
        if answer is None:
            raise _HangUp
        answer.empty = head.method == "HEAD" or answer.status in (204, 304)
        if fault in (Fault.LOST_ANSWER, Fault.FALSE_412):
            async for _ in _body(answer, far[0]):
                pass
            if fault is Fault.LOST_ANSWER:
                raise _HangUp
            await _answer(near[1], 412, "Precondition Failed", ERROR % b"PreconditionFailed")
            return
        await _forward(answer, far[0], near[1], half=fault is Fault.CUT_ANSWER)


class _HangUp(Exception):
    """Reset the connection of the client."""


class _CutShort(Exception):
    """End it politely, in the middle."""


@dataclass
class _Head:
    """The first line and the fields (names in lower case) of a request or an answer, and its bytes as they came."""

    first: str
    raw: bytes
    fields: dict[str, str] = field(default_factory=dict)
    empty: bool = False

    @property
    def method(self) -> str:
        return self.first.partition(" ")[0]

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])

    @property
    def size(self) -> int:
        return 0 if self.empty else int(self.fields.get("content-length", 0))

    @property
    def chunked(self) -> bool:
        return not self.empty and "chunked" in self.fields.get("transfer-encoding", "")


async def _head(reader: asyncio.StreamReader) -> _Head | None:
    """None at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return _Head(first, raw, {name.lower(): value.strip() for name, _, value in pairs})


async def _body(head: _Head, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The bytes of a body as they come, the marks of a chunked one included."""
    left = head.size
    while left and not head.chunked:
        piece = await reader.readexactly(min(left, PIECE_BYTES))
        left -= len(piece)
        yield piece
    while head.chunked:
        mark = await reader.readuntil(b"\r\n")
        size = int(mark.partition(b";")[0], 16)
        yield mark + await reader.readexactly(size + 2)
        if not size:
            return


async def _forward(head: _Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, half: bool) -> None:
    """Head and body; with `half`, about half of a body and then the end of the connection."""
    writer.write(head.raw)
    left = head.size // 2
    async for piece in _body(head, reader):
        if half and len(piece) > left:
            writer.write(piece[: left or len(piece) // 2])
            await writer.drain()
            raise _CutShort
        left -= len(piece)
        writer.write(piece)
        await writer.drain()
    await writer.drain()


async def _answer(client: asyncio.StreamWriter, status: int, reason: str, body: bytes, with_body: bool = True) -> None:
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    client.write(head.encode() + (body if with_body else b""))
    await client.drain()


@contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[asyncio.StreamWriter]:
    try:
        yield writer
    finally:
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, not a polite end: without a time to linger the kernel drops the connection."""
    with suppress(OSError):
        end = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
