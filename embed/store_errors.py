"""What the storage libraries raise, as one line that names the thing and the cure.

Texts of the libraries and servers are not repeated: some quote parts of a request.
"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from embed.errors import DegluError, InputError, StorageError

REFUSED = {
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
UNREACHABLE = (ConnectionError, HTTPClientError, TimeoutError)


def clear_error(url: str, error: OSError | BotoCoreError) -> DegluError:
    """The DegluError to raise instead; InputError where something to be read is missing."""
    return _of_s3(url, error) if url.startswith("s3://") else _of_a_folder(url, error)


def _of_s3(url: str, error: OSError | BotoCoreError) -> DegluError:
    bucket = url.removeprefix("s3://").partition("/")[0]
    code = _code(error)
    if code == "NoSuchBucket":
        return StorageError(f"{url}: there is no bucket {bucket!r} at {_endpoint()}; create it or correct the name")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{url}: no such object; check the address")
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return StorageError(f"{url}: no S3 credentials in the environment; set {KEYS}")
    if code in REFUSED:
        return StorageError(f"{url}: {_endpoint()} refuses the credentials ({code}); check {KEYS}")
    if isinstance(error, PermissionError):
        return StorageError(f"{url}: permission denied by {_endpoint()}; check {KEYS} and what they may do there")
    if any(isinstance(one, UNREACHABLE) for one in _chain(error)):
        return StorageError(f"{url}: {_endpoint()} cannot be reached; check AWS_ENDPOINT_URL and the network")
    return StorageError(
        f"{url}: {_endpoint()} answered {code or type(error).__name__}; correct the address or try again"
    )


def _of_a_folder(url: str, error: OSError | BotoCoreError) -> DegluError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{url}: no such file; check the path")
    if isinstance(error, PermissionError):
        return StorageError(f"{url}: permission denied; give this user the right to it or choose another place")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return StorageError(f"{url}: {reason}; free or correct the place, or choose another")


def _code(error: BaseException) -> str:
    """The server's error code, "" where it gave none."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _endpoint() -> str:
    """Scheme, host and port of the endpoint; a user or password in its url stays out."""
    parts = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
    if not parts.hostname:
        return "Amazon S3"
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
