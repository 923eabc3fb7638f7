"""Gathering of questions: those that wait while the encoder works are encoded together.

One thread encodes.  Whatever arrives in the meantime is its next batch, so a question alone never waits for others,
and under load batches grow by themselves.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from embed.encoder import SAMPLE_RATE, Batch, Encoder, FloatArray, Role
from index.serve.problems import Problem

MOST_TOGETHER = 64
# What a batch may hold: a token has about four characters, a second of speech about fifty frames.
MOST_CHARACTERS = 32_768
MOST_SECONDS = 120.0
# Who has waited longer has mostly gone: it is not encoded, so that a queue of the departed delays nobody.
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Encoded:
    """A vector [D] and what it cost."""

    vector: FloatArray
    wait_s: float
    encode_s: float  # of the batch it was in
    together: int


@dataclass
class _Request:
    begun: bool = False  # some of its questions are, or were, in the encoder


@dataclass(frozen=True)
class _Waiting:
    request: _Request
    content: str | FloatArray
    role: Role
    since: float
    done: "asyncio.Future[Encoded]"

    @property
    def kind(self) -> tuple[bool, Role]:
        return isinstance(self.content, str), self.role

    @property
    def share(self) -> float:
        """Of the largest batch."""
        if isinstance(self.content, str):
            return len(self.content) / MOST_CHARACTERS
        return len(self.content) / SAMPLE_RATE / MOST_SECONDS


class Gatherer:
    """Encodes the questions of all callers; belongs to one event loop."""

    def __init__(self, encoder: Encoder, most_waiting: int) -> None:
        self.encoder = encoder
        self._most = most_waiting
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, "encoder")
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def encode(self, content: str | FloatArray, role: Role = "query") -> Encoded:
        """The vector of a text, or of speech [n] at 16 kHz.  Raises Problem where too many questions wait."""
        (found,) = await self.encode_all([content], role)
        return found

    async def encode_all(self, contents: Sequence[str | FloatArray], role: Role) -> list[Encoded]:
        """The vectors of several, in their order."""
        if len(self._waiting) + len(contents) > self._most:
            raise _too_many()
        loop, now, request = asyncio.get_running_loop(), time.perf_counter(), _Request()
        mine = [_Waiting(request, one, role, now, loop.create_future()) for one in contents]
        self._waiting.extend(mine)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        try:
            return await asyncio.gather(*(one.done for one in mine))
        except asyncio.CancelledError:  # the caller has gone
            for one in mine:
                one.done.cancel()
            raise

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            began = time.perf_counter()
            contents = cast(Batch, [one.content for one in batch])
            try:
                vectors = await loop.run_in_executor(self._thread, self.encoder.encode, contents, batch[0].role)
            except Exception as error:
                for one in batch:
                    if not one.done.done():
                        one.done.set_exception(error)
                continue
            spent = time.perf_counter() - began
            for one, vector in zip(batch, vectors, strict=True):
                if not one.done.done():
                    one.done.set_result(Encoded(vector, began - one.since, spent, len(batch)))

    def _next(self) -> list[_Waiting]:
        """The question that has waited longest, and others of its kind that fit."""
        batch: list[_Waiting] = []
        others: deque[_Waiting] = deque()
        share = 0.0
        while self._waiting and len(batch) < MOST_TOGETHER:
            one = self._waiting.popleft()
            if one.done.done():
                continue
            if not one.request.begun and time.perf_counter() - one.since > LONGEST_WAIT_S:
                one.done.set_exception(_too_many())
                continue
            if batch and (one.kind != batch[0].kind or share + one.share > 1):
                others.append(one)
                continue
            batch.append(one)
            one.request.begun = True
            share += one.share
        self._waiting.extendleft(reversed(others))
        return batch


def _too_many() -> Problem:
    return Problem(503, "too many questions are waiting; ask again in a second", {"Retry-After": "1"})
