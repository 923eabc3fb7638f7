"""Routes of a search: one question as JSON or with a recording, several at once, and what the service has."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from embed.encoder import FloatArray
from index.serve import shapes
from index.serve.access import Caller
from index.serve.problems import Problem
from index.serve.searches import Question, answers
from index.serve.service import Asked, Service, Who

Shape = TypeVar("Shape", bound=shapes.Request)
router = APIRouter(prefix="/v1", tags=["search"])

_FORM = {
    "type": "object",
    "required": ["audio"],
    "properties": {
        "audio": {"type": "string", "format": "binary", "description": "a recording: wav ogg opus mp3 webm m4a flac"},
        **shapes.Request.model_json_schema()["properties"],
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": shapes.SearchBody.model_json_schema()},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


@router.post("/search", openapi_extra=_BODY)
async def search(request: Request, service: Asked, caller: Who) -> shapes.Answer:
    """Ask one question: a text, a vector or a segment as JSON, or a recording as the form field `audio`.

    In a form, `exclude` is given once for each segment; the other fields are as in JSON.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        question, asked = await _spoken(request, service)
    else:
        body = _checked(shapes.SearchBody, await _json(request))
        question, asked = Question(body.text, None, body.vector, body.segment_id), body
    (found,) = await answered(service, caller, [question], asked)
    return found


@router.post("/search/batch")
async def search_batch(body: shapes.BatchBody, service: Asked, caller: Who) -> shapes.BatchAnswer:
    """Ask several questions of one index."""
    questions = [Question(one.text, None, one.vector, one.segment_id) for one in body.questions]
    return shapes.BatchAnswer(answers=await answered(service, caller, questions, body))


@router.get("/indexes")
async def indexes(service: Asked, caller: Who) -> shapes.State:
    """The indexes, their versions and what can be asked of them."""
    return await asyncio.to_thread(_state, service, caller)


async def answered(
    service: Service, caller: Caller, questions: Sequence[Question], asked: shapes.Request
) -> list[shapes.Answer]:
    """Answers of the index that is asked, counted in the metrics."""
    holding = service.holdings.of(asked.index)
    found = await answers(holding, service.gatherer, questions, asked, caller, service.settings)
    for one in found:
        if one.costs.encode_ms:
            service.metrics.wait_seconds.observe(one.costs.wait_ms / 1000)
            service.metrics.encode_seconds.observe(one.costs.encode_ms / 1000)
        service.metrics.search_seconds.labels(holding.name).observe(one.costs.search_ms / 1000)
    return found


async def _spoken(request: Request, service: Service) -> tuple[Question, shapes.Request]:
    async with request.form(max_files=1, max_fields=32) as form:
        audio = form.get("audio")
        if not isinstance(audio, UploadFile):
            raise Problem(422, "audio: send the recording as a file in this field")
        fields: dict[str, Any] = {name: form[name] for name in form if name not in ("audio", "exclude")}
        if excluded := form.getlist("exclude"):
            fields["exclude"] = excluded
        asked = _checked(shapes.Request, fields)
        data = await audio.read()
    return Question(speech=await decoded(service, data)), asked


async def decoded(service: Service, data: bytes) -> FloatArray:
    """The samples of an uploaded recording.  Raises Problem where this service encodes no speech, or it is unusable."""
    if service.sounds is None:
        raise Problem(501, "this service answers typed questions only: its model encodes no speech")
    async with service.decoding:
        return await asyncio.to_thread(service.sounds.question, data)


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON; a recording is sent as multipart/form-data") from None


def _checked(shape: type[Shape], values: Any) -> Shape:
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def _state(service: Service, caller: Caller) -> shapes.State:
    states = []
    for name, held in service.holdings.all.items():
        manifest, where = held.index.manifest, caller.where(None, held.restricted)
        states.append(
            shapes.IndexState(
                name=name,
                version=held.version,
                rows=held.index.count(where),
                dims=list(held.index.dims),
                modalities=sorted(manifest.modalities),
                languages=held.index.languages(where),
                speech_questions=service.sounds is not None,
                plays=service.sounds is not None and "speech" in manifest.modalities,
            )
        )
    return shapes.State(model=service.model, indexes=states)
