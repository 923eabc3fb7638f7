"""Application of the search service: its routes, its limits, and the headers of every response.

>>> from index.serve.app import make_app
>>> make_app.__name__
'make_app'
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from index.serve.problems import add_problems, problem_response
from index.serve.routes.embeddings import router as embedding_routes
from index.serve.routes.mcp_tools import mcp_running
from index.serve.routes.mcp_tools import router as mcp_routes
from index.serve.routes.operation import router as operation_routes
from index.serve.routes.search import router as search_routes
from index.serve.routes.segments import router as segment_routes
from index.serve.service import Service

log = logging.getLogger(__name__)

# Of all that is no page: a browser that is sent to a clip may play it, and nothing more.  The page has its own.
POLICY = "default-src 'none'; media-src 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(service: Service, hosts: Sequence[str] = ("*",), renew_s: float = 10.0) -> FastAPI:
    """The application of a service whose parts are handed in.

    hosts    names under which it may be asked; others are refused, so no web page can reach it by a name of its own
    renew_s  seconds between two looks for a newer version of an index
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        renewing = asyncio.create_task(_renew(service, renew_s))
        async with mcp_running(app.version) as app.state.mcp:
            yield
        renewing.cancel()
        service.gatherer.close()
        service.holdings.close()

    app = FastAPI(
        title="Deglu",
        version=version("deglu"),
        summary="Speech and text, searchable by meaning, together.",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts of others
        redoc_url=None,
    )
    app.state.service = service
    for router in (search_routes, segment_routes, embedding_routes, mcp_routes, operation_routes):
        app.include_router(router)
    add_problems(app)
    app.add_middleware(_Bounds, service=service)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return app


async def _renew(service: Service, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            for name in await asyncio.to_thread(service.holdings.renew):
                log.info("%s: version %d answers now", name, service.holdings.of(name).version)
        except Exception:
            log.exception("looking for newer versions")


class _Bounds:
    """Refuses bodies that are too large, before they are read; adds headers; counts."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most, began, status = self.service.settings.most_bytes, time.perf_counter(), 500
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise _TooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            stated = Headers(scope=scope).get("content-length", "0")
            if not stated.isdecimal() or int(stated) > most:
                raise _TooLarge
            await self.app(scope, bounded, with_headers)
        except _TooLarge:
            await problem_response(413, f"a request has at most {most:,} bytes")(scope, receive, with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.service.metrics.requests.labels(route, f"{status // 100}xx").inc()
            self.service.metrics.request_seconds.labels(route).observe(time.perf_counter() - began)


class _TooLarge(Exception):
    """The body of a request has too many bytes."""
