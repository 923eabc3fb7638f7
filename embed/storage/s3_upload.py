"""Upload of a large local file to S3, in parts: each part is retried separately, and a failed upload is removed."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from embed.storage.retry import each

PART_BYTES = 1 << 24
MOST_PARTS = 10_000  # S3's own limit
NONCE = "deglu-upload"

Ask = Callable[..., dict[str, Any]]


def upload(ask: Ask, path: Path) -> None:
    """Upload a file; `ask(method, **arguments)` sends one request about its object."""
    nonce = token_hex(16)
    begun = ask("create_multipart_upload", Metadata={NONCE: nonce})["UploadId"]
    try:
        parts = each(lambda number: _part(ask, path, begun, number), _numbers(path), at_once=4)
        _complete(ask, begun, parts, nonce)
    except BaseException:
        with suppress(Exception):  # the first error is the one to report
            ask("abort_multipart_upload", UploadId=begun)
        raise


def _numbers(path: Path) -> range:
    return range(1, -(-path.stat().st_size // _part_bytes(path)) + 1)


def _part_bytes(path: Path) -> int:
    return max(PART_BYTES, -(-path.stat().st_size // MOST_PARTS))


def _part(ask: Ask, path: Path, begun: str, number: int) -> dict[str, Any]:
    size = _part_bytes(path)
    with path.open("rb") as file:
        file.seek((number - 1) * size)
        answer = ask("upload_part", UploadId=begun, PartNumber=number, Body=file.read(size))
    return {"PartNumber": number, "ETag": answer["ETag"]}


def _complete(ask: Ask, begun: str, parts: list[dict[str, Any]], nonce: str) -> None:
    try:
        ask("complete_multipart_upload", UploadId=begun, MultipartUpload={"Parts": parts})
    except FileNotFoundError:
        # "No such upload": an earlier try has completed it, and its answer was lost.
        if ask("head_object").get("Metadata", {}).get(NONCE) != nonce:
            raise
