"""The parts of one running service, and who asks."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from index.serve.access import Caller, Tokens
from index.serve.gathering import Gatherer
from index.serve.holdings import Holdings
from index.serve.limits import Rates
from index.serve.metrics import Metrics
from index.serve.problems import Problem
from index.serve.recordings import Sounds
from index.serve.settings import Settings


@dataclass
class Service:
    """All that the routes share."""

    model: str
    holdings: Holdings
    gatherer: Gatherer
    sounds: Sounds | None  # None: the service encodes and plays no sound
    settings: Settings = field(default_factory=Settings)
    tokens: Tokens = field(default_factory=Tokens)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.rates = Rates(self.settings.requests_per_s, self.settings.burst)
        self.decoding = asyncio.Semaphore(self.settings.most_decoding)


def service_of(request: Request) -> Service:
    """The service of an application."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who asks.  Raises Problem without a token where one is required, and beyond the caller's rate."""
    service = service_of(request)
    address = request.client.host if request.client else "?"
    caller = service.tokens.caller(request.headers.get("authorization"), address)
    if caller is None:
        raise Problem(401, "give a token: `Authorization: Bearer TOKEN`", {"WWW-Authenticate": "Bearer"})
    if wait_s := service.rates.wait_s(caller.name):
        raise Problem(429, "too many requests; slow down", {"Retry-After": str(int(wait_s) + 1)})
    return caller


Asked = Annotated[Service, Depends(service_of)]
Who = Annotated[Caller, Depends(caller_of)]
