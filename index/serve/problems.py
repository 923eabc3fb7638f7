"""Problems: answers to requests that fail, as problem details (RFC 9457) with what to do.

Every error of the service has this one shape; addresses of storage and stack traces never leave the process.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from embed.errors import DegluError, FingerprintMismatch, InputError, SpecError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that cannot be answered: status, one sentence, and headers."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def add_problems(app: FastAPI) -> None:
    """Every exception of a route becomes a problem."""
    handlers: dict[Any, Callable[[Request, Any], Awaitable[JSONResponse]]] = {
        Problem: _of_problem,
        DegluError: _of_deglu,
        RequestValidationError: _of_validation,
        HTTPException: _of_http,
        ClientDisconnect: _of_disconnect,
        Exception: _of_fault,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The problem as a response."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def of_deglu(error: DegluError) -> Problem:
    """The problem that a caller gets for an error of ours; one that shows an address of storage is only logged."""
    if isinstance(error, (SpecError, InputError)):
        return Problem(400, str(error))
    if isinstance(error, FingerprintMismatch):
        return Problem(409, str(error))
    log.error("%s: %s", type(error).__name__, error)
    return Problem(503, "the storage of this archive cannot be read now; ask again later", {"Retry-After": "5"})


def wrong_field(error: Mapping[str, Any]) -> str:
    """One error of pydantic as a sentence that begins with its field."""
    place = ".".join(str(one) for one in error["loc"] if one != "body")
    return f"{place}: {error['msg']}" if place else str(error["msg"])


async def _of_problem(request: Request, error: Problem) -> JSONResponse:
    return problem_response(error.status, error.detail, error.headers)


async def _of_deglu(request: Request, error: DegluError) -> JSONResponse:
    return await _of_problem(request, of_deglu(error))


async def _of_validation(request: Request, error: RequestValidationError) -> JSONResponse:
    return problem_response(422, wrong_field(error.errors()[0]))


async def _of_http(request: Request, error: HTTPException) -> JSONResponse:
    headers = dict(error.headers) if error.headers else None
    return problem_response(error.status_code, str(error.detail), headers)


async def _of_disconnect(request: Request, error: ClientDisconnect) -> JSONResponse:
    # Nobody reads it; a page that asks anew gives up its last request, which is no fault of the service.
    return problem_response(400, "the request ended before its body did")


async def _of_fault(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem_response(500, "a fault of the service; its log has the cause")
