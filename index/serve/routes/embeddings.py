"""Route of embeddings in OpenAI's shape, so that tools which take a base url can use the encoder of this archive."""

import asyncio
import base64
import binascii
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from embed.encoder import FloatArray, truncate
from index.serve.problems import Problem
from index.serve.routes.search import decoded
from index.serve.service import Asked, Service, Who

router = APIRouter(prefix="/v1", tags=["embeddings"])


class Sound(BaseModel):
    """A recording in base64."""

    data: str
    format: str | None = Field(default=None, description="as OpenAI's clients send it; the content decides")


class InputAudio(BaseModel):
    """A recording among the inputs."""

    type: Literal["input_audio"]
    input_audio: Sound


class EmbeddingsBody(BaseModel):
    """Texts and recordings to be encoded."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "demo", "input": ["rain", "rice"], "dimensions": 128}]}
    )
    input: str | InputAudio | Annotated[list[str | InputAudio], Field(min_length=1)]
    model: str | None = Field(default=None, description="the name of this service's model; any other is refused")
    dimensions: PositiveInt | None = Field(default=None, description="a declared width; full width by default")
    encoding_format: Literal["float", "base64"] = "float"
    input_type: Literal["query", "document"] = Field(
        default="document", description="queries are encoded with the model's prompt for questions"
    )
    user: str | None = Field(default=None, description="ignored")


class Embedding(BaseModel):
    """One vector of unit length."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens are not counted here."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class Embeddings(BaseModel):
    """The vectors, in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage = Usage()


@router.post("/embeddings")
async def embeddings(body: EmbeddingsBody, service: Asked, caller: Who) -> Embeddings:
    """Vectors of texts and of recordings, in one space."""
    if body.model is not None and body.model != service.model:
        raise Problem(404, f"model: this service encodes with {service.model!r}")
    dims = tuple(service.gatherer.encoder.dims)
    if body.dimensions is not None and body.dimensions not in dims:
        raise Problem(422, f"dimensions: this model declares {', '.join(map(str, dims))}")
    inputs = body.input if isinstance(body.input, list) else [body.input]
    if len(inputs) > service.settings.most_questions:
        raise Problem(422, f"input: at most {service.settings.most_questions} at once")
    contents = [await _content(service, one, place) for place, one in enumerate(inputs)]
    found = await service.gatherer.encode_all(contents, body.input_type)
    vectors = await asyncio.to_thread(truncate, np.stack([one.vector for one in found]), body.dimensions or dims[0])
    data = [Embedding(index=place, embedding=_shown(one, body.encoding_format)) for place, one in enumerate(vectors)]
    return Embeddings(data=data, model=service.model)


@router.get("/models")
async def models(service: Asked, caller: Who) -> dict[str, Any]:
    """The one model of this service, in OpenAI's shape."""
    return {"object": "list", "data": [{"id": service.model, "object": "model", "created": 0, "owned_by": "deglu"}]}


async def _content(service: Service, one: str | InputAudio, place: int) -> str | FloatArray:
    if isinstance(one, str):
        if not one.strip():
            raise Problem(422, f"input {place}: has no words")
        if len(one) > service.settings.most_characters:
            raise Problem(422, f"input {place}: at most {service.settings.most_characters} characters")
        return one
    try:
        data = base64.b64decode(one.input_audio.data, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(422, f"input {place}: the recording is not base64") from None
    return await decoded(service, data)


def _shown(vector: FloatArray, form: str) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(one) for one in vector]
