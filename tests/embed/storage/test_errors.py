import errno
import os

import pytest
from aiohttp import ClientPayloadError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from embed.errors import DegluError, InputError, StorageError, UnreadableBucket, UnreadableFile
from embed.storage.errors import CutShort, already_exists, clear_error, transient_failure, translate_errors
from embed.storage.s3 import S3Files

URL = "s3://bucket/key"
SERVER = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", SERVER)


def answer(code: str, status: int, kind: type[OSError] = OSError) -> OSError:
    """As s3fs raises it: an OSError of its own, caused by botocore's."""
    error = kind("secret of a server")
    told = {"Error": {"Code": code, "Message": "secret"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error.__cause__ = ClientError(told, "PutObject")
    return error


@pytest.mark.parametrize(
    ("error", "reason", "slow"),
    [
        (answer("SlowDown", 503), "answered SlowDown", True),
        (answer("503", 503), "answered 503", True),  # HEAD, or a gateway's page
        (answer("429", 429), "answered 429", True),
        (answer("InternalError", 500), "answered InternalError", False),
        (answer("RequestTimeout", 400, TimeoutError), "answered RequestTimeout", False),
        (answer("ConditionalRequestConflict", 409), "answered ConditionalRequestConflict", False),
        (EndpointConnectionError(endpoint_url=SERVER, error="refused"), "cannot be reached", False),
        (ReadTimeoutError(endpoint_url=SERVER, error="slow"), "cannot be reached", False),
        (TimeoutError(), "cannot be reached", False),
        (ConnectionResetError(), "cannot be reached", False),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), "closed the connection during an answer", False),
        (ClientPayloadError(), "closed the connection during an answer", False),
        (ResponseParserError(), "closed the connection during an answer", False),
        (CutShort(), "closed the connection during an answer", False),
    ],
    ids=str,
)
def test_what_may_pass(error: Exception, reason: str, slow: bool) -> None:
    found = transient_failure(error)
    assert found is not None
    assert (found.reason, found.slow) == (f"{SERVER} {reason}", slow)


@pytest.mark.parametrize(
    "error",
    [
        answer("NoSuchBucket", 404, FileNotFoundError),
        answer("404", 404, FileNotFoundError),
        answer("AccessDenied", 403, PermissionError),
        answer("InvalidAccessKeyId", 403, PermissionError),
        answer("ExpiredToken", 400, PermissionError),
        answer("PreconditionFailed", 412),
        answer("NotImplemented", 501),
        NoCredentialsError(),
        SSLError(endpoint_url=SERVER, error="CERTIFICATE_VERIFY_FAILED"),
        PermissionError(),
        ValueError(),
    ],
    ids=str,
)
def test_what_cannot_pass(error: Exception) -> None:
    assert transient_failure(error) is None


def test_a_name_that_is_taken() -> None:
    assert already_exists(answer("PreconditionFailed", 412))
    assert already_exists(FileExistsError())
    assert not already_exists(answer("ConditionalRequestConflict", 409))


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answer("NoSuchKey", 404, FileNotFoundError), InputError, "no such object"),
        (answer("NoSuchBucket", 404, FileNotFoundError), UnreadableBucket, "there is no bucket 'bucket' at"),
        (answer("ExpiredToken", 400, PermissionError), UnreadableBucket, "refuses the credentials"),
        (answer("RequestTimeTooSkewed", 403, PermissionError), StorageError, "clocks"),
        (answer("PreconditionFailed", 412), InputError, "replaced while it was read"),
        (answer("SlowDown", 503), StorageError, "answered SlowDown"),
        (answer("RequestTimeout", 400, TimeoutError), StorageError, "answered RequestTimeout"),
        (NoCredentialsError(), UnreadableBucket, "no S3 credentials"),
        (ParamValidationError(report="a secret"), UnreadableBucket, "no bucket and object can be named so"),
        (TimeoutError(), StorageError, "cannot be reached"),
        (ClientPayloadError(), StorageError, "keeps closing the connection"),
        (answer("InvalidObjectState", 403, PermissionError), UnreadableFile, "restore it from the archive class first"),
        (answer("AccessDenied", 403, PermissionError), UnreadableFile, "permission denied by"),
        (answer("KMS.DisabledException", 400), UnreadableFile, "answered KMS.DisabledException"),
        (answer("InvalidRequest", 400), UnreadableFile, "answered InvalidRequest"),
        (answer("InternalError", 500), StorageError, "answered InternalError"),
    ],
    ids=str,
)
def test_one_clear_line(error: Exception, kind: type[DegluError], says: str) -> None:
    clear = clear_error(URL, error)
    assert type(clear) is kind
    assert str(clear).startswith(f"{URL}: ")
    assert says in str(clear)
    assert "secret" not in str(clear)
    assert "\n" not in str(clear)


def test_only_what_storage_raises_is_put_into_words() -> None:
    with pytest.raises(StorageError, match="answered BotoCoreError"), translate_errors(URL):
        raise BotoCoreError
    with pytest.raises(ValueError, match="ours"), translate_errors(URL):
        raise ValueError("ours")


def test_an_endpoint_without_a_scheme_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:8333")
    with pytest.raises(StorageError, match=r"write it with its scheme, as in http://127\.0\.0\.1:8333"):
        S3Files()


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOENT, InputError, "no such file; check the path"),
        (errno.EACCES, UnreadableFile, "permission denied; give this user access"),
        (errno.EIO, UnreadableFile, "input/output error; check its disk or mount, then run `deglu retry SPEC`"),
        (errno.ESTALE, UnreadableFile, "stale file handle; check its disk"),
        (errno.ENOTDIR, UnreadableFile, "not a directory; correct the path"),
        # Of the whole disk, mount or machine: no file is at fault.
        (errno.ENOTCONN, StorageError, "Transport endpoint is not connected"),
        (errno.ENOSPC, StorageError, "No space left on device"),
        (errno.EMFILE, StorageError, "Too many open files"),
    ],
    ids=str,
)
def test_errors_of_one_file_and_of_its_disk(number: int, kind: type[DegluError], says: str) -> None:
    clear = clear_error("/in/a.wav", OSError(number, os.strerror(number)))
    assert type(clear) is kind
    assert str(clear).startswith(f"/in/a.wav: {says}")
