"""Load on a service: clients that each ask again as soon as they are answered, and what their answers cost."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

TIMEOUT = aiohttp.ClientTimeout(total=60)
COSTS = ("wait_ms", "encode_ms", "search_ms")


@dataclass
class Taken:
    """What a load was answered with."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    costs: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COSTS})
    failures: list[str] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)  # of the index, that answered

    @property
    def answers(self) -> int:
        return len(self.latencies_ms)

    @property
    def per_s(self) -> float:
        return self.answers / self.seconds

    @property
    def share(self) -> float:
        """Answered, of all that was asked."""
        return self.answers / max(1, self.answers + len(self.failures))

    def latency_ms(self, percentile: float) -> float:
        return float(np.percentile(self.latencies_ms or [0.0], percentile))

    def cost_ms(self, name: str, percentile: float) -> float:
        return float(np.percentile(self.costs[name] or [0.0], percentile))

    def add(self, other: "Taken") -> None:
        self.seconds += other.seconds
        self.latencies_ms += other.latencies_ms
        for name, values in other.costs.items():
            self.costs[name] += values
        self.failures += other.failures
        self.versions |= other.versions


Question = str | bytes  # typed, or a recording


def load(
    url: str, questions: Sequence[Question], clients: int, seconds: float, until: Callable[[], bool] | None = None
) -> Taken:
    """Ask for so many seconds, and then on until `until` holds; questions that have begun are waited for."""
    return asyncio.run(_load(url, questions, clients, seconds, until))


async def _load(
    url: str, questions: Sequence[Question], clients: int, seconds: float, until: Callable[[], bool] | None
) -> Taken:
    taken, began = Taken(), time.perf_counter()
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:

        async def client(number: int) -> None:
            place = number * len(questions) // clients
            while time.perf_counter() - began < seconds or (until is not None and not until()):
                await _ask(session, url, questions[place % len(questions)], taken)
                place += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
    taken.seconds = time.perf_counter() - began
    return taken


async def _ask(session: aiohttp.ClientSession, url: str, question: Question, taken: Taken) -> None:
    sent = time.perf_counter()
    try:
        async with session.post(f"{url}/v1/search", **_body(question)) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        taken.failures.append(f"{type(error).__name__}: {error}")
        return
    if status != 200:
        taken.failures.append(f"{status}: {answer.get('detail')}")
        return
    taken.latencies_ms.append((time.perf_counter() - sent) * 1000)
    for name, value in answer.get("costs", {}).items():
        taken.costs[name].append(value)
    taken.versions.add(answer.get("version", 0))


def _body(question: Question) -> dict[str, Any]:
    if isinstance(question, str):
        return {"json": {"text": question}}
    form = aiohttp.FormData()
    form.add_field("audio", question, filename="question.wav", content_type="audio/wav")
    return {"data": form}
