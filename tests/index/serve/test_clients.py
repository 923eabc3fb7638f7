"""The clients that README shows, run as they are against a service on a port of this machine."""

import asyncio
import json
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import uvicorn
from mcp import Client

import deglu
from embed.encoder import Batch, FloatArray, Role
from index.ask.searcher import open_index
from index.serve.app import make_app
from index.serve.gathering import Gatherer
from index.serve.holdings import Holdings
from index.serve.service import Service
from tests.index.conftest import SPACE
from tests.index.serve.conftest import Waves, WordEncoder

README = Path(__file__).resolve().parents[3] / "README.md"
WIDTH, PREFIX = 384, 128
SHOWN, INDEX = "http://localhost:8080", "build/demo/index"


class Wide(WordEncoder):
    """`WordEncoder` in the widths of the released model."""

    dims, longest_s = (WIDTH, PREFIX), 30.0

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        return np.pad(super().encode(batch, role), ((0, 0), (0, WIDTH - 4)))


def blocks(language: str) -> list[str]:
    """The code of a language in README's section on serving."""
    section = README.read_text(encoding="utf-8").partition("\n## Serve\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def block(word: str) -> str:
    """The one block of Python that has this word."""
    (found,) = [one for one in blocks("python") if word in one]
    return found


@pytest.fixture(scope="module")
def wide_index(tmp_path_factory: pytest.TempPathFactory, vectors_of: Any, build_at: Any) -> str:
    folder = str(tmp_path_factory.mktemp("clients") / "radio")
    rows = np.eye(WIDTH)[:4]
    build_at(folder, vectors_of(speech=rows, text=rows, dims=(WIDTH, PREFIX)))
    return folder


@pytest.fixture(scope="module")
def service_url(wide_index: str) -> Iterator[str]:
    """The url of a running service."""
    holdings = Holdings([wide_index], lambda url: open_index(url, SPACE), Waves())
    app = make_app(Service("demo", holdings, Gatherer(Wide(), 512), Waves()), ("127.0.0.1",))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def run(code: str, url: str) -> dict[str, Any]:
    """Run a block as it is shown, but for the address; its names."""
    assert SHOWN in code
    names: dict[str, Any] = {}
    exec(compile(code.replace(SHOWN, url), "README.md", "exec"), names)
    return names


def test_five_lines_of_python(service_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(block("urllib"), service_url)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("1.0 ")


@pytest.mark.parametrize("line", [one for one in "".join(blocks("sh")).splitlines() if one.startswith("curl")])
def test_curl(line: str, service_url: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (tmp_path / "question.wav").write_bytes(b"star")
    command = shlex.split(line.replace(SHOWN, service_url))
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert len(json.loads(answer.stdout)["hits"]) == 3


def test_openai(service_url: str) -> None:
    pytest.importorskip("openai")
    assert run(block("openai"), service_url)["vector"] == [1.0] + [0.0] * (PREFIX - 1)


def test_mcp_configuration(service_url: str) -> None:
    (text,) = blocks("json")
    (server,) = json.loads(text.replace(SHOWN, service_url))["mcpServers"].values()
    assert server["type"] == "http"

    async def talk() -> list[str]:
        async with Client(server["url"]) as client:
            return [one.name for one in (await client.list_tools()).tools]

    assert asyncio.run(talk()) == ["search_archive", "get_passage", "play_url"]


@pytest.mark.parametrize(("library", "name"), [("langchain_core", "documents"), ("llama_index.core", "nodes")])
def test_retrievers(library: str, name: str, wide_index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(library)
    monkeypatch.setattr(deglu, "load_encoder", {"demo": Wide()}.get, raising=False)
    names: dict[str, Any] = {}
    exec(compile(block(library).replace(INDEX, wide_index), "README.md", "exec"), names)
    found = names[name]
    assert len(found) == 5
    assert {one.metadata["uri"] for one in found[:2]} == {"speech/0", "text/0"}
