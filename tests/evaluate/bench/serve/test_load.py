"""The clients of the bench, against a small service on a port of this machine."""

import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from evaluate.bench.serve.load import load


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service that refuses the question `no`, and says of recordings that they cost more."""
    app = FastAPI()

    @app.post("/v1/search")
    async def search(request: Request) -> JSONResponse:
        if request.headers["content-type"] == "application/json":
            text = (await request.json())["text"]
            if text == "no":
                return JSONResponse({"detail": "not this one"}, 422)
            return _answer(1, 2.0)
        async with request.form() as form:
            assert form["audio"].filename == "question.wav"  # type: ignore[union-attr]
        return _answer(2, 5.0)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def _answer(version: int, encode_ms: float) -> JSONResponse:
    costs = {"wait_ms": 0.0, "encode_ms": encode_ms, "search_ms": 1.0}
    return JSONResponse({"version": version, "costs": costs, "hits": []})


def test_typed_and_spoken_questions_are_answered_and_counted(url: str) -> None:
    taken = load(url, ["rain", b"RIFF"], 2, 0.2)
    assert taken.failures == []
    assert taken.versions == {1, 2}
    assert taken.share == 1.0
    assert len(taken.costs["encode_ms"]) == taken.answers >= 2
    assert {taken.cost_ms("encode_ms", 0), taken.cost_ms("encode_ms", 100)} == {2.0, 5.0}
    assert 0 < taken.latency_ms(50) <= taken.latency_ms(99)
    assert taken.per_s == pytest.approx(taken.answers / taken.seconds)


def test_failures_are_counted_with_their_reason(url: str) -> None:
    taken = load(url, ["no"], 1, 0.05)
    assert set(taken.failures) == {"422: not this one"}
    assert (taken.answers, taken.share) == (0, 0.0)
    away = load("http://127.0.0.1:9", ["rain"], 1, 0.01)
    assert away.failures[0].startswith("ClientConnector")


def test_it_asks_on_until_what_is_waited_for(url: str) -> None:
    asked: list[Any] = []
    taken = load(url, ["rain"], 1, 0.0, lambda: len(asked) >= 3 or asked.append(1) is not None)  # type: ignore[func-returns-value]
    assert taken.answers == 3
