"""The tools of the Model Context Protocol, called with the client of its own SDK."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from index.serve.settings import Settings
from tests.index.serve.conftest import SECRET, STAFF, MakeClient
from tests.index.serve.test_service import TOKENS, speech_id

URL = "http://testserver/mcp"


Talk = Callable[[Client], Awaitable[Any]]


def through(service: TestClient, talk: Talk, token: str | None = None, mode: str = "auto") -> Any:
    """What `talk` returns with the SDK's client, connected to the service in this process."""
    app: Any = service.app

    async def talking() -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, headers=headers) as http,
            Client(streamable_http_client(URL, http_client=http), mode=mode) as client,
        ):
            return await talk(client)

    return asyncio.run(talking())


def calling(name: str, **arguments: Any) -> Callable[[Client], Awaitable[CallToolResult]]:
    return lambda client: client.call_tool(name, arguments)


def fields(result: CallToolResult) -> dict[str, Any]:
    found: dict[str, Any] | None = result.structured_content
    assert found is not None, result.content
    return found


def failure(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_model_searches_reads_and_links(mode: str, client_of: MakeClient) -> None:
    async def talk(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert [one.name for one in tools] == ["search_archive", "get_passage", "play_url"]
        assert all(one.description and one.output_schema for one in tools)
        found = await client.call_tool("search_archive", {"question": "star", "k": 2, "modality": "speech"})
        first = fields(found)["hits"][0]
        assert (first["segment_id"], first["title"]) == (speech_id(1), "programme 1")
        passage = await client.call_tool("get_passage", {"segment_id": first["segment_id"]})
        assert fields(passage)["uri"] == first["uri"]
        played = fields(await client.call_tool("play_url", {"segment_id": first["segment_id"]}))
        assert played["url"] == f"http://testserver/v1/segments/{speech_id(1)}/audio?format=webm"
        assert (played["start_s"], played["end_s"], played["needs_token"]) == (1.0, 2.5, False)

    through(client_of(), talk, mode=mode)


def test_a_played_url_plays(client_of: MakeClient) -> None:
    client = client_of()
    played = fields(through(client, calling("play_url", segment_id=speech_id(1))))
    assert client.get(played["url"]).content == b"webm /radio/1.wav 1 2.5"


@pytest.mark.parametrize(
    ("language", "where", "texts"),
    [(None, None, 4), ("en", None, 4), ("fr", None, 0), ("en", "start < 20 or start = 30", 3), ("e'n", None, 0)],
)
def test_language_and_where_both_hold(
    language: str | None, where: str | None, texts: int, client_of: MakeClient
) -> None:
    asked = calling("search_archive", question="star", modality="text", language=language, where=where)
    answer = through(client_of(f'{{"{STAFF}": ["staff"]}}'), asked, STAFF)
    assert len(fields(answer)["hits"]) == texts


FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such tool": ("drop_archive", {}, "no tool has this name; call one of: search_archive"),
    "no question": ("search_archive", {}, "question: Field required"),
    "another field": ("search_archive", {"question": "star", "path": "/etc"}, "path: Extra inputs"),
    "too many hits": ("search_archive", {"question": "star", "k": 5000}, "k: at most 1000 hits"),
    "a wrong filter": ("search_archive", {"question": "star", "where": "1) or (1"}, "filter: "),
    "no such index": ("search_archive", {"question": "star", "index": "tv"}, "give one of: radio"),
    "no such segment": ("get_passage", {"segment_id": "0" * 32}, "take one from a hit"),
    "an id that is none": ("play_url", {"segment_id": "../../etc"}, "segment_id: String should match"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_call_says_why(fault: str, client_of: MakeClient) -> None:
    name, arguments, words = FAULTS[fault]
    assert words in failure(through(client_of(), calling(name, **arguments)))


def test_tokens_and_their_groups_hold(client_of: MakeClient) -> None:
    async def talk(client: Client) -> list[CallToolResult]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("search_archive", {"question": "nine", "k": 100}),
            ("get_passage", {"segment_id": speech_id(3)}),
            ("play_url", {"segment_id": speech_id(3)}),
            ("get_passage", {"segment_id": "0" * 32}),
        ]
        return [await client.call_tool(*one) for one in calls]

    found, passage, played, _ = through(client_of(TOKENS), talk, STAFF)
    assert len(fields(found)["hits"]) == 8
    assert not passage.is_error
    assert fields(played)["needs_token"]
    found, passage, played, missing = through(client_of(TOKENS), talk, SECRET)
    assert len(fields(found)["hits"]) == 6
    assert failure(passage) == failure(played) == failure(missing)
    assert client_of(TOKENS).post("/mcp", json={}).status_code == 401


def test_limits_and_origins_hold(client_of: MakeClient) -> None:
    with client_of(settings=Settings(requests_per_s=0.001, burst=2)) as client:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        headers = {"Accept": "application/json, text/event-stream"}
        assert client.post("/mcp", json=message, headers=headers).json()["result"]["tools"]
        other = client.post("/mcp", json=message, headers={**headers, "Origin": "http://evil.example"})
        assert other.status_code == 403
        assert client.post("/mcp", json=message, headers=headers).status_code == 429
        assert client.get("/mcp").status_code == 405
