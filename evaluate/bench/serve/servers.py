"""Services to be measured, each in a process of its own on a port of the loopback.

gathered  the product: questions that wait are encoded together
single    the same application, which encodes one question after the other
library   FastAPI in front of sentence-transformers, as one writes it in ten lines, with the same index
"""

import multiprocessing as mp
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlunsplit

import uvicorn
from fastapi import FastAPI

from embed.errors import DegluError
from embed.model.export import export
from embed.model.handle import resolve_model
from index.ask.answers import answers_of
from index.ask.searcher import open_index
from index.contracts import SearchRequest
from index.serve import gathering
from index.serve.app import make_app
from index.serve.settings import Settings
from jobs.serving.serve_index import LOOPBACK_NAMES, make_service

Kind = Literal["gathered", "single", "library"]
MODEL, HOST = "demo", "127.0.0.1"
START_S, RENEW_S = 300, 0.5


@dataclass(frozen=True)
class Server:
    """A service that answers, and the number of its process."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that it has used."""
        spent = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(kind: Kind, index: str) -> Iterator[Server]:
    """The service, ready; killed at the end.  Raises DegluError where it does not start."""
    context = mp.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(kind, index, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        port, pid = _port(mine, kind), process.pid
        assert pid is not None
        yield Server(urlunsplit(("http", f"{HOST}:{port}", "", "", "")), pid)
    finally:
        process.kill()
        process.join()


def _port(connection: Connection, kind: Kind) -> int:
    try:
        if connection.poll(START_S):
            return int(connection.recv())
    except EOFError:
        pass
    raise DegluError(f"the service {kind!r} did not start; its error is above")


def _serve(kind: Kind, index: str, connection: Connection) -> None:
    if kind == "single":
        gathering.MOST_TOGETHER = 1
    app = _library_app(index) if kind == "library" else _our_app(index)
    listener = socket.create_server((HOST, 0), backlog=1_024)  # who connects before it runs, waits
    connection.send(listener.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])


def _our_app(index: str) -> FastAPI:
    return make_app(make_service([index], MODEL, Settings(requests_per_s=0)), LOOPBACK_NAMES, RENEW_S)


def _library_app(index: str) -> FastAPI:
    """Each request is a thread of FastAPI's pool, which encodes its text and searches."""
    folder = Path(index).parent / "text-model"
    if not folder.is_dir():
        export(resolve_model(MODEL), folder)
    model = import_module("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    opened = open_index(index)
    model.encode(["warm"], prompt_name="query")
    app = FastAPI()

    @app.post("/v1/search")
    def search(body: dict[str, Any]) -> dict[str, Any]:
        vectors = model.encode([body["text"]], prompt_name="query", normalize_embeddings=True)
        (hits,) = answers_of(opened, opened.search(vectors, SearchRequest(recall=0.99)))
        return {"hits": [{"uri": hit.uri, "score": hit.score, "text": hit.text} for hit in hits]}

    return app
