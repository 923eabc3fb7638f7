"""Tools of the Model Context Protocol: language models search the archive, read passages and link to their sound.

`/mcp` speaks streamable HTTP, without sessions: each request is answered by itself, as JSON, on behalf of the groups of
its bearer token, and counts towards the same limits as every other route.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request, Response
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from starlette.types import Receive, Scope, Send

from embed.errors import DegluError
from index.serve import shapes
from index.serve.access import Caller, quoted
from index.serve.problems import Problem, of_deglu, wrong_field
from index.serve.routes.search import answered
from index.serve.routes.segments import segment
from index.serve.searches import Question
from index.serve.service import Asked, Service, Who, service_of

router = APIRouter()

INSTRUCTIONS = (
    "An archive of recordings and texts that is searched by meaning, across languages and without transcripts. "
    "Ask with search_archive; each hit is a stretch of a recording (start_s, end_s) or a passage of a text. "
    "Quote a hit with its uri and seconds, and give people its play_url so that they can listen."
)


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    index: str | None = Field(default=None, description="name of the index; the first one if none is given")


class SearchArchive(_Arguments):
    """Find the stretches of recordings and the passages of texts that answer a question, best first."""

    question: str = Field(min_length=1, description="in any language that the archive's model knows")
    k: PositiveInt = Field(default=10, description="number of hits")
    modality: Literal["any", "speech", "text"] = "any"
    language: str | None = Field(default=None, description="only hits in this language, as hits have it: fr, wo")
    where: str | None = Field(
        default=None,
        max_length=10_000,
        description="one SQL condition, for example: start_s < 60 and uri like '2026/%'",
    )


class GetPassage(_Arguments):
    """The place, language, metadata and, where it is known, the text of one hit."""

    segment_id: shapes.SegmentId


class PlayUrl(_Arguments):
    """The address where exactly the sound of one hit can be played, in a browser too."""

    segment_id: shapes.SegmentId


class Played(BaseModel):
    """Where a hit can be listened to."""

    url: str
    start_s: float = Field(description="where it begins in the whole recording; the clip itself begins there")
    end_s: float
    needs_token: bool = Field(description="whether the request for the url needs the same bearer token")


async def _search_archive(request: Request, service: Service, caller: Caller, asked: SearchArchive) -> shapes.Answer:
    language = f"lang = {quoted(asked.language)}" if asked.language else None
    where = f"{language} and ({asked.where})" if language and asked.where else asked.where or language
    wanted = shapes.Request(index=asked.index, k=asked.k, modality=asked.modality, where=where)
    (found,) = await answered(service, caller, [Question(text=asked.question)], wanted)
    return found


async def _get_passage(request: Request, service: Service, caller: Caller, asked: GetPassage) -> shapes.Segment:
    return await segment(asked.segment_id, service, caller, asked.index)


async def _play_url(request: Request, service: Service, caller: Caller, asked: PlayUrl) -> Played:
    row = await segment(asked.segment_id, service, caller, asked.index)
    if row.start_s is None or row.end_s is None:
        raise Problem(404, "this segment is a text: there is nothing to play")
    named = {"format": "webm"} | ({"index": asked.index} if asked.index else {})
    url = f"{request.base_url}v1/segments/{asked.segment_id}/audio?{urlencode(named)}"
    return Played(url=url, start_s=row.start_s, end_s=row.end_s, needs_token=bool(service.tokens))


Call = Callable[[Request, Service, Caller, Any], Awaitable[BaseModel]]
TOOLS: dict[str, tuple[Call, type[BaseModel], type[BaseModel]]] = {
    "search_archive": (_search_archive, SearchArchive, shapes.Answer),
    "get_passage": (_get_passage, GetPassage, shapes.Segment),
    "play_url": (_play_url, PlayUrl, Played),
}


@router.post("/mcp", include_in_schema=False)
async def mcp(request: Request, service: Asked, caller: Who) -> Response:
    """One message of the protocol; its answer is written by the SDK."""
    _check_origin(request)
    request.state.caller = caller
    return _ByProtocol(request.app.state.mcp)


@asynccontextmanager
async def mcp_running(version: str) -> AsyncIterator[StreamableHTTPSessionManager]:
    """What answers the messages, while the service runs."""
    server: Server[Any] = Server(
        "deglu", version=version, instructions=INSTRUCTIONS, on_list_tools=_list_tools, on_call_tool=_call_tool
    )
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    async with manager.run():
        yield manager


class _ByProtocol(Response):
    """Hands the request on to the SDK."""

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        super().__init__()
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._manager.handle_request(scope, receive, send)


def _check_origin(request: Request) -> None:
    """Pages of other servers may not ask through a visitor's browser; the protocol demands this check."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, "pages of other servers may not ask here")


async def _list_tools(context: Any, parameters: Any) -> ListToolsResult:
    return ListToolsResult(tools=[_tool(name) for name in TOOLS])


def _tool(name: str) -> Tool:
    _, arguments, answer = TOOLS[name]
    return Tool(
        name=name,
        description=arguments.__doc__,
        input_schema=arguments.model_json_schema(),
        output_schema=answer.model_json_schema(),
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )


async def _call_tool(context: Any, parameters: CallToolRequestParams) -> CallToolResult:
    request: Request = context.request
    try:
        found = await _called(request, parameters)
    except Problem as problem:
        return _failed(problem.detail)
    except DegluError as error:
        return _failed(of_deglu(error).detail)
    except ValidationError as error:
        return _failed(wrong_field(error.errors()[0]))
    text = TextContent(type="text", text=found.model_dump_json())
    return CallToolResult(content=[text], structured_content=found.model_dump(mode="json"))


async def _called(request: Request, parameters: CallToolRequestParams) -> BaseModel:
    if parameters.name not in TOOLS:
        raise Problem(404, f"no tool has this name; call one of: {', '.join(TOOLS)}")
    call, arguments, _ = TOOLS[parameters.name]
    asked = arguments.model_validate(parameters.arguments or {})
    return await call(request, service_of(request), request.state.caller, asked)


def _failed(detail: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=detail)], is_error=True)
