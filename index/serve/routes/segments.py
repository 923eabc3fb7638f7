"""Routes of one segment: its provenance, its sound, and the peaks of its waveform."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from index.serve import shapes
from index.serve.access import Caller
from index.serve.problems import Problem
from index.serve.recordings import MEDIA_TYPES, Recordings, Sound, Stretch
from index.serve.searches import segment_of, segment_shape
from index.serve.service import Asked, Service, Who

router = APIRouter(prefix="/v1/segments/{segment_id}", tags=["segments"])

Id = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$", description="32 hexadecimal digits, as a hit has it")]
Name = Annotated[str | None, Query(alias="index", description="name of the index; the first one if none is given")]
Padding = Annotated[
    float,
    Query(
        ge=0,
        le=60,
        description="seconds before and after the segment; none where they touch what this caller may not hear",
    ),
]


@router.get("")
async def segment(segment_id: Id, service: Asked, caller: Who, index: Name = None) -> shapes.Segment:
    """A segment: where it is, its language, text and metadata."""
    _, row = await asyncio.to_thread(segment_of, service.holdings.of(index), segment_id, caller)
    return shapes.Segment(**segment_shape(row))


@router.get(
    "/audio", response_class=Response, responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}}
)
async def audio(
    segment_id: Id,
    request: Request,
    service: Asked,
    caller: Who,
    index: Name = None,
    pad_s: Padding = 0.0,
    format: Annotated[Sound, Query(description="wav, exact to a sample; webm (Opus), a tenth of the bytes")] = "wav",
) -> Response:
    """The sound of a segment, cut and encoded by the service, so that it begins where the segment begins."""
    recordings, stretch = await asyncio.to_thread(_stretch, service, caller, segment_id, index, pad_s)
    async with service.decoding:
        data = await asyncio.to_thread(recordings.clip, stretch, format)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600",
        "Content-Disposition": f'inline; filename="{segment_id}.{format}"',
    }
    return _ranged(request.headers.get("range"), data, MEDIA_TYPES[format], headers)


@router.get("/peaks")
async def peaks(
    segment_id: Id,
    service: Asked,
    caller: Who,
    index: Name = None,
    pad_s: Padding = 0.0,
    count: Annotated[int, Query(ge=1, le=4_000, description="number of parts")] = 200,
) -> shapes.Peaks:
    """Loudness over a segment, for a waveform."""
    recordings, stretch = await asyncio.to_thread(_stretch, service, caller, segment_id, index, pad_s)
    async with service.decoding:
        found = await asyncio.to_thread(recordings.peaks, stretch, count)
    return shapes.Peaks(start_s=stretch.start_s, end_s=stretch.end_s, peaks=[round(one, 4) for one in found])


def _stretch(
    service: Service, caller: Caller, segment_id: str, index: str | None, pad_s: float
) -> tuple[Recordings, Stretch]:
    holding = service.holdings.of(index)
    _, row = segment_of(holding, segment_id, caller)
    start_s, end_s = row["start_s"], row["end_s"]
    if start_s is None or end_s is None:
        raise Problem(404, "this segment is a text: there is nothing to play")
    if pad_s and holding.all_seen(caller, row["asset_id"], start_s - pad_s, end_s + pad_s):
        start_s, end_s = max(0.0, start_s - pad_s), end_s + pad_s
    if end_s - start_s > service.settings.longest_clip_s:
        raise Problem(422, f"a clip lasts at most {service.settings.longest_clip_s:g} s; ask for less padding")
    return holding.recordings, holding.recordings.stretch(row["asset_id"], row["content_version"], start_s, end_s)


def _ranged(asked: str | None, data: bytes, media_type: str, headers: dict[str, Any]) -> Response:
    """The whole, or the one range of bytes that a player asks for."""
    if asked is None or not asked.startswith("bytes=") or "," in asked:
        return Response(data, media_type=media_type, headers=headers)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    try:
        begin = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last) + 1, len(data)) if first and last else len(data)
    except ValueError:
        return Response(data, media_type=media_type, headers=headers)
    if not 0 <= begin < end:
        raise Problem(416, "this range is outside the clip", {"Content-Range": f"bytes */{len(data)}"})
    found = {**headers, "Content-Range": f"bytes {begin}-{end - 1}/{len(data)}"}
    return Response(data[begin:end], 206, found, media_type)
