"""Objects of an S3 bucket: s3fs sends the requests, `embed.storage.retry` decides when and how often.

- Every operation consists of single requests that are safe to repeat; s3fs's and botocore's own retries are off.
  (aiohttp below them repeats a request once when a connection breaks.)
- The bytes received are compared with the size that the server reports: half a body is never accepted as data.
- Errors are those of the libraries; `embed.storage.store` translates them, and an open stream translates its own.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from embed.errors import StorageError
from embed.storage.entry import Entry
from embed.storage.errors import (
    CutShort,
    already_exists,
    libraries,
    transient_failure,
    translate_errors,
    unreadable_object,
)
from embed.storage.range_stream import FIRST_BYTES, Head, RangeStream
from embed.storage.retry import Patience, Requests, Result, each
from embed.storage.s3_upload import upload
from embed.storage.scratch import scratch_file

S3 = "s3://"
DELETE_AT_ONCE = 1_000  # S3's own limit
BUFFER_BYTES = 1 << 16  # for decoders that read a few bytes at a time, above the blocks that are read ahead
FETCH_BYTES = 1 << 23
ONE_PUT_BYTES = 1 << 25  # larger files are uploaded in parts
NEVER_AGAIN = {"total_max_attempts": 1, "mode": "standard"}

Answer = dict[str, Any]


class S3Files:
    """The S3 half of `embed.storage.store`; urls are s3://bucket/key."""

    def __init__(self, patience: Patience | None = None) -> None:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint and not urlsplit(endpoint).hostname:
            raise StorageError("AWS_ENDPOINT_URL is no address; write it with its scheme, as in http://127.0.0.1:8333")
        import s3fs  # only here; it takes a second to import

        self._fs: Any = s3fs.S3FileSystem(
            skip_instance_cache=True,
            use_listings_cache=False,
            endpoint_url=endpoint,
            config_kwargs={
                "connect_timeout": 5,
                "read_timeout": 60,
                "max_pool_connections": 32,
                "retries": NEVER_AGAIN,
                # Self-hosted servers rarely have a host name per bucket.
                "s3": {"addressing_style": "path" if endpoint else "auto"},
            },
        )
        self._fs.retries = 1
        self._requests = Requests(transient_failure, patience or Patience.of_environment())
        self._buckets: set[str] = set()  # buckets that exist

    def read(self, url: str) -> bytes:
        return self._requests.do(url, lambda: self._get(url)[0])

    def write(self, url: str, data: bytes) -> None:
        self.ask(url, "put_object", Body=data)

    def create(self, url: str, data: bytes) -> bool:
        """Whether the object now contains `data`.

        After a lost answer the request is repeated: if the first one arrived, the second is refused, and the object
        is read and compared with `data`.
        """
        return self._requests.do(url, partial(self._create, url, data))

    def exists(self, url: str) -> bool:
        try:
            self.ask(url, "head_object")
        except FileNotFoundError:
            self._see_bucket(url)  # the answer to HEAD does not tell a missing key from a missing bucket
            return False
        return True

    def listing(self, url: str) -> Iterator[Entry]:
        bucket, key = place(url)
        prefix = f"{key}/" if key else ""
        found, _, more = self._page(bucket, prefix)
        if more is not None:
            found = self._side_by_side(bucket, prefix)
        if not found and key:  # a single object, not a folder
            found = [entry for entry in self._page(bucket, key)[0] if entry.url == url]
        yield from found

    def inputs(self, url: str, contained: bool) -> Iterator[Entry]:
        return self.listing(url)  # no object is a link

    def open(self, url: str, begin: int = 0, end: int | None = None) -> BinaryIO:
        """Reading begins near `begin`, and no byte from `end` on is requested."""

        def part(head: Head, start: int, stop: int) -> bytes:
            with translate_errors(url):  # a broken stream must not look like a damaged recording
                return self.part(url, head, start, stop)

        first = FIRST_BYTES if end is None else max(min(FIRST_BYTES, end - begin), 1)
        head = self.head(url, first, begin)
        if end is not None:
            head = replace(head, size_bytes=min(head.size_bytes, end))
        return cast(BinaryIO, BufferedReader(RangeStream(head, part), BUFFER_BYTES))

    def delete(self, urls: Sequence[str]) -> None:
        for start in range(0, len(urls), DELETE_AT_ONCE):
            self._requests.do(urls[start], partial(self._delete, urls[start : start + DELETE_AT_ONCE]))

    def scratch(self, folder: str) -> AbstractContextManager[Path]:
        return scratch_file()

    def move_in(self, path: Path, url: str) -> None:
        if path.stat().st_size <= ONE_PUT_BYTES:
            self.write(url, path.read_bytes())
        else:
            upload(partial(self.ask, url), path)

    def sweep(self, url: str) -> None:
        """Nothing to do: objects are complete, and the bucket's lifecycle rule removes parts of unfinished uploads."""

    def fetch(self, url: str, path: Path) -> None:
        head = self.head(url, FETCH_BYTES)
        with path.open("wb") as file:
            file.write(head.data)
            file.flush()
            starts = range(len(head.data), head.size_bytes, FETCH_BYTES)

            def one(start: int) -> None:
                os.pwrite(file.fileno(), self.part(url, head, start, start + FETCH_BYTES), start)

            each(one, starts, at_once=4)

    def head(self, url: str, first_bytes: int, begin: int = 0) -> Head:
        """The bytes of an object from `begin` on, and its size: one request for most small files."""
        return self._of_input(url, partial(self._head, url, first_bytes, begin))

    def part(self, url: str, head: Head, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, or to the end, of the object of `head`."""
        stop = min(stop, head.size_bytes)
        asked = {"Range": f"bytes={start}-{stop - 1}"} | ({"IfMatch": head.etag} if head.etag else {})

        def act() -> bytes:
            data, _ = self._get(url, **asked)
            return _whole(data, stop - start)

        return self._of_input(url, act)

    def ask(self, url: str, method: str, **arguments: Any) -> Answer:
        """One request about an object, with retries."""
        bucket, key = place(url)
        act: Callable[[], Answer] = partial(self._fs.call_s3, method, Bucket=bucket, Key=key, **arguments)
        return self._requests.do(url, act)

    def _of_input(self, url: str, act: Callable[[], Result]) -> Result:
        """A reading of one object.  Raises UnreadableFile where it fails for long while its bucket answers."""
        try:
            return self._requests.do(url, act)
        except libraries().any as error:
            failure = transient_failure(error)
            if failure is None or failure.slow or not self._answers(url):
                raise
            raise unreadable_object(url, failure) from error

    def _answers(self, url: str) -> bool:
        try:
            self._fs.call_s3("list_objects_v2", Bucket=place(url)[0], MaxKeys=1)
        except libraries().any:
            return False
        return True

    def _get(self, url: str, **asked: str) -> tuple[bytes, Answer]:
        bucket, key = place(url)
        from fsspec.asyn import sync

        data, answer = sync(self._fs.loop, _get, self._fs, {"Bucket": bucket, "Key": key, **asked})
        return _whole(data, answer.get("ContentLength")), answer

    def _head(self, url: str, first_bytes: int, begin: int) -> Head:
        try:
            data, answer = self._get(url, Range=f"bytes={begin}-{begin + first_bytes - 1}")
        except OSError as error:
            response = getattr(error.__cause__, "response", {})
            if response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 416:
                raise
            return Head(b"", 0, "")  # the object ends before
        size = answer.get("ContentRange", "").rpartition("/")[2]
        return Head(data, int(size) if size.isdigit() else begin + len(data), answer.get("ETag", ""), begin)

    def _create(self, url: str, data: bytes) -> bool:
        bucket, key = place(url)
        try:
            self._fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except OSError as error:
            if not already_exists(error):
                raise
            return self._get(url)[0] == data
        return True

    def _see_bucket(self, url: str) -> None:
        bucket, key = place(url)
        if bucket not in self._buckets:
            self._page(bucket, key, at_most=1)
            self._buckets.add(bucket)

    def _side_by_side(self, bucket: str, prefix: str) -> list[Entry]:
        """Folders listed at the same time; their names come from one page."""
        found, folders, more = self._page(bucket, prefix, delimiter="/")
        if more is not None:  # over a thousand names at the top: a listing by folder would take more requests
            return self._pages(bucket, prefix)
        if len(folders) == 1:
            return found + self._side_by_side(bucket, folders[0])
        for some in each(partial(self._pages, bucket), folders):
            found += some
        return found

    def _pages(self, bucket: str, prefix: str) -> list[Entry]:
        found, _, more = self._page(bucket, prefix)
        while more is not None:
            some, _, more = self._page(bucket, prefix, after=more)
            found += some
        return found

    def _page(
        self, bucket: str, prefix: str, delimiter: str = "", after: str | None = None, at_most: int = 1_000
    ) -> tuple[list[Entry], list[str], str | None]:
        """Objects, folders, and the token of the next page where there is one."""
        asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": at_most}
        if after is not None:
            asked["ContinuationToken"] = after
        answer: Answer = self._requests.do(
            f"{S3}{bucket}/{prefix}", partial(self._fs.call_s3, "list_objects_v2", **asked)
        )
        # Some servers keep an object `prefix/`.
        found = [_entry(bucket, one) for one in answer.get("Contents", []) if not one["Key"].endswith("/")]
        folders = [one["Prefix"] for one in answer.get("CommonPrefixes", [])]
        return found, folders, answer["NextContinuationToken"] if answer.get("IsTruncated") else None

    def _delete(self, urls: Sequence[str]) -> None:
        keys = {"Objects": [{"Key": place(url)[1]} for url in urls], "Quiet": True}
        answer = self._fs.call_s3("delete_objects", Bucket=place(urls[0])[0], Delete=keys)
        refused = {error.get("Code") for error in answer.get("Errors", [])}
        if refused & {"AccessDenied"}:
            raise PermissionError(f"some of {len(urls)} objects may not be deleted")
        if refused:
            raise CutShort(f"some of {len(urls)} objects were not deleted")


def place(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix(S3).partition("/")
    return bucket, key


async def _get(fs: Any, asked: dict[str, str]) -> tuple[bytes, Answer]:
    answer = await fs._call_s3("get_object", **asked)
    async with answer["Body"] as body:
        return await body.read(), answer


def _whole(data: bytes, size: int | None) -> bytes:
    if size is not None and len(data) != size:
        raise CutShort(f"{len(data)} of {size} bytes")
    return data


def _entry(bucket: str, one: Answer) -> Entry:
    moment = one["LastModified"].isoformat(timespec="microseconds")
    return Entry(f"{S3}{bucket}/{one['Key']}", one["Size"], one["ETag"].strip('"') or None, moment)
