"""Errors of the storage libraries: which are transient, and each as one line that names the url and the cure.

Messages of the libraries and servers are not repeated: some quote parts of a request.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import errorcode
from functools import cache
from urllib.parse import urlsplit

from embed.errors import DegluError, InputError, StorageError, UnreadableBucket, UnreadableFile
from embed.storage.local_names import path_of
from embed.storage.retry import TransientFailure

REFUSED = {
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

# Codes of an overloaded server, next to status 429 and 503.
BUSY = {"BandwidthLimitExceeded", "RequestLimitExceeded", "ServiceUnavailable", "SlowDown", "Throttling"}
# Answers below 500 that a retry may change: a body that arrived incomplete or damaged, a writer at the same key.
PASSING = {
    *("BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
    *("ConditionalRequestConflict", "OperationAborted"),
}

# Codes of answers about one object; the other objects of its bucket may be fine.
ARCHIVED = "InvalidObjectState"
OF_ONE_OBJECT = {ARCHIVED, "AccessDenied", "Forbidden", "403", "InvalidRange", "InvalidRequest", "MethodNotAllowed"}
OF_A_KEY = "KMS."  # an object whose encryption key is disabled, deleted, or of somebody else

# Errors of one local file, with their cures; others may be of the whole disk or machine.
OF_A_FILE = {
    **dict.fromkeys(("EACCES", "EPERM"), "give this user access"),
    "ELOOP": "a link leads to itself: correct or remove it",
    "ENAMETOOLONG": "shorten the names of its folders",
    **dict.fromkeys(("EISDIR", "ENOTDIR"), "correct the path"),
    **dict.fromkeys(
        ("EIO", "EBADMSG", "EUCLEAN", "EINVAL", "ENODATA", "ENXIO", "ESTALE", "EREMOTEIO"),
        "check its disk or mount, then run `deglu retry SPEC`",
    ),
}


class CutShort(OSError):
    """Fewer bytes arrived than the server has."""


@dataclass(frozen=True)
class LibraryErrors:
    """Exceptions of the libraries that come from the server or the network."""

    any: tuple[type[Exception], ...]
    unreachable: tuple[type[Exception], ...]
    damaged: tuple[type[Exception], ...]
    certificate: type[Exception]
    no_credentials: tuple[type[Exception], ...]
    invalid: type[Exception]


@cache
def libraries() -> LibraryErrors:
    """The exceptions of the S3 libraries, imported at first use, since the import takes a second."""
    from aiohttp import ClientError
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    return LibraryErrors(
        any=(OSError, boto.BotoCoreError, ResponseParserError, ClientError),
        unreachable=(
            *(boto.ConnectionError, boto.HTTPClientError),
            *(TimeoutError, ConnectionResetError, ConnectionRefusedError),
        ),
        damaged=(
            *(boto.ChecksumError, boto.FlexibleChecksumError, boto.IncompleteReadError),
            *(ResponseParserError, ClientError),
        ),
        certificate=boto.SSLError,
        no_credentials=(boto.NoCredentialsError, boto.PartialCredentialsError),
        invalid=boto.ParamValidationError,
    )


def transient_failure(error: Exception) -> TransientFailure | None:
    """The transient failure; None for permanent ones: credentials, missing buckets and objects."""
    code, status = _answer(error)
    if code or status:
        return _of_an_answer(code, status)
    chain = list(_chain(error))
    if any(isinstance(one, libraries().certificate) and "CERTIFICATE" in str(one).upper() for one in chain):
        return None
    if any(isinstance(one, (*libraries().damaged, CutShort)) for one in chain):
        return TransientFailure(f"{_endpoint()} closed the connection during an answer")
    if any(isinstance(one, libraries().unreachable) for one in chain):
        return TransientFailure(f"{_endpoint()} cannot be reached")
    return None


def already_exists(error: Exception) -> bool:
    """Whether a conditional creation was refused because the object exists."""
    code, status = _answer(error)
    return isinstance(error, FileExistsError) or status == 412 or code == "PreconditionFailed"


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Turns the libraries' errors into DegluErrors of one clear line."""
    try:
        yield
    except DegluError:
        raise
    except Exception as error:
        if not isinstance(error, libraries().any if "://" in url else OSError):
            raise
        raise clear_error(url, error) from error


def clear_error(url: str, error: Exception) -> DegluError:
    """The DegluError to raise instead; InputError where an input is missing."""
    return _CLEAR.get(url.partition("://")[0], _of_a_folder)(url, error)


def unreadable_object(url: str, failure: TransientFailure) -> UnreadableFile:
    """The error to raise for an object that fails for long, while its bucket answers."""
    return UnreadableFile(
        f"{url}: {failure.reason} each time, for this object alone; restore it, then run `deglu retry SPEC`"
    )


def _of_an_answer(code: str, status: int) -> TransientFailure | None:
    reason = f"{_endpoint()} answered {code or status}"
    if code in BUSY or status in (429, 503):
        return TransientFailure(reason, slow=True)
    return TransientFailure(reason) if code in PASSING or (status >= 500 and status != 501) else None


def _of_s3(url: str, error: Exception) -> DegluError:
    bucket = url.removeprefix("s3://").partition("/")[0]
    code, _ = _answer(error)
    if code == "NoSuchBucket":
        return UnreadableBucket(f"{url}: there is no bucket {bucket!r} at {_endpoint()}; create it or correct the name")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{url}: no such object; check the address")
    if code == "PreconditionFailed":
        return InputError(f"{url}: was replaced while it was read; run again")
    if isinstance(error, libraries().no_credentials):
        return UnreadableBucket(f"{url}: no S3 credentials in the environment; set {KEYS}")
    if code in REFUSED:
        return UnreadableBucket(f"{url}: {_endpoint()} refuses the credentials ({code}); check {KEYS}")
    if isinstance(error, libraries().invalid):
        return UnreadableBucket(f"{url}: no bucket and object can be named so; correct the address")
    if code == "RequestTimeTooSkewed":
        return StorageError(f"{url}: the clocks of this machine and of {_endpoint()} differ; set this machine's clock")
    if code == ARCHIVED:
        cure = "restore it from the archive class first, then run `deglu retry SPEC`"
        return UnreadableFile(f"{url}: its storage class is an archive ({code}); {cure}")
    if isinstance(error, PermissionError) and not code.startswith(OF_A_KEY):
        return UnreadableFile(f"{url}: permission denied by {_endpoint()}; check {KEYS} and their permissions")
    if code in OF_ONE_OBJECT or code.startswith(OF_A_KEY):
        return UnreadableFile(f"{url}: {_endpoint()} answered {code}; correct the object, then run `deglu retry SPEC`")
    if not code and any(isinstance(one, libraries().unreachable) for one in _chain(error)):
        return StorageError(f"{url}: {_endpoint()} cannot be reached; check AWS_ENDPOINT_URL and the network")
    if isinstance(error, (*libraries().damaged, CutShort)):
        return StorageError(f"{url}: {_endpoint()} keeps closing the connection; check the network and run again")
    return StorageError(
        f"{url}: {_endpoint()} answered {code or type(error).__name__}; correct the address or try again"
    )


def _of_a_folder(url: str, error: Exception) -> DegluError:
    if isinstance(error, FileNotFoundError):
        path = path_of(url)
        where = f"a link to {os.readlink(path)!r}, where there is no file" if os.path.islink(path) else "no such file"
        return InputError(f"{url}: {where}; check the path")
    name = errorcode.get(getattr(error, "errno", None) or 0, "")
    if isinstance(error, PermissionError):
        name = name or "EACCES"
    reason = getattr(error, "strerror", None) or type(error).__name__
    if name in OF_A_FILE:
        return UnreadableFile(f"{url}: {reason[:1].lower()}{reason[1:]}; {OF_A_FILE[name]}")
    return StorageError(f"{url}: {reason}; free space, correct the path, or choose another folder")


_CLEAR = {"s3": _of_s3}  # by the scheme of remote urls


def _answer(error: BaseException) -> tuple[str, int]:
    """The server's error code ("" where it gave none) and HTTP status (0 where there was no answer)."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return str(response.get("Error", {}).get("Code", "")), int(status)
    return "", 0


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _endpoint() -> str:
    """Scheme, host and port of the endpoint; without a user or password in its url."""
    parts = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
    if not parts.hostname:
        return "Amazon S3"
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
