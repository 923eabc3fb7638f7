"""One request to a web server, with redirects followed, and its failures: transient, or an error of this one file.

- Each host has its own few slots, since servers of podcasts are strangers; one that has failed for the whole patience
  gets single attempts until it answers again: a feed of a thousand items must not wait a thousand times.
- Redirects are followed to public http and https addresses alone, ten at most, never in a circle.
- Messages name the url that was given; of a redirect only the host, since its address may be signed.
- Every failure is of one file: the files of other servers may be fine, so no failure here stops a job.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urldefrag, urljoin, urlsplit

from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
    TimeoutError,
)

from embed.errors import DegluError, InputError, UnreadableFile
from embed.storage.http.addresses import PrivateAddress, pools
from embed.storage.retry import Patience, Requests, Result, TransientFailure

REDIRECTS = 10
AT_ONCE = 4  # requests to one host
AGAIN = "run `deglu retry SPEC` when it is back"
_TIMEOUT = Timeout(connect=5, read=60)
_HEADERS = {"User-Agent": "deglu", "Accept": "*/*", "Accept-Encoding": "identity"}
_GONE = (404, 410)
_CLOSED = (401, 403, 407, 451)
_PASSING = (408, 425, 429)  # answers below 500 that a retry may change

_CUT = TransientFailure("its server closed the connection during an answer")

Read = Callable[[BaseHTTPResponse, str], Result]  # of the answer, and the address that gave it


class Passing(Exception):
    """An answer that a retry may change."""

    def __init__(self, reason: str, slow: bool = False) -> None:
        super().__init__(reason)
        self.failure = TransientFailure(reason, slow)


class WebRequests:
    """The requests of one process, to any host."""

    def __init__(self, private: bool, patience: Patience | None = None) -> None:
        """With `private` hosts may have addresses of a private network, or of this machine."""
        self._pools = pools(private)
        self._patience = patience or Patience.of_environment()
        self._hosts: dict[tuple[str, bool], Requests] = {}
        self._failing: set[str] = set()

    def get(self, url: str, at: str, headers: Mapping[str, str], read: Read[Result]) -> Result:
        """What `read` makes of the answer to a request, which begins `at` an address of the file of `url`.

        Raises InputError where there is no such file, UnreadableFile for any other failure.
        """
        host = urlsplit(at).netloc
        try:
            result = self._of(host).do(url, lambda: self._one(url, at, headers, read))
        except (HTTPError, OSError, Passing) as error:
            self._failing.add(host)
            failure = transient_failure(error) or _CUT
            raise UnreadableFile(f"{url}: {failure.reason} each time; {AGAIN}") from error
        self._failing.discard(host)
        return result

    def _of(self, host: str) -> Requests:
        key = host, host in self._failing
        patience = Patience(total_s=0) if host in self._failing else self._patience
        return self._hosts.get(key) or self._hosts.setdefault(key, Requests(transient_failure, patience, AT_ONCE))

    def _one(self, url: str, at: str, headers: Mapping[str, str], read: Read[Result]) -> Result:
        asked: set[str] = set()
        while len(asked) <= REDIRECTS:
            asked.add(at)
            response = self._answer(url, at, headers)
            try:
                target = response.get_redirect_location()
                if not target:
                    _check_status(url, response.status)
                    return read(response, at)
            finally:
                response.close()  # what was read to its end goes back to its pool
            at = _target(url, at, target)
            if at in asked:
                raise UnreadableFile(f"{url}: its redirects form a circle; correct the address")
        raise UnreadableFile(f"{url}: more than {REDIRECTS} redirects; give the address where they end")

    def _answer(self, url: str, at: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        try:
            return self._pools.urlopen(
                "GET",
                at,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=_TIMEOUT,
                headers={**_HEADERS, **headers},
            )
        except (HTTPError, PrivateAddress) as error:
            if transient_failure(error) is not None:
                raise
            raise _clear(url, urlsplit(at).netloc.rpartition("@")[2], error) from error


def transient_failure(error: Exception) -> TransientFailure | None:
    """The transient failure; None for permanent ones."""
    if isinstance(error, Passing):
        return error.failure
    if isinstance(error, (DegluError, PrivateAddress, LocationValueError)) or _refused_certificate(error):
        return None
    if isinstance(error, NameResolutionError) and _is_unknown(error):
        return None
    if isinstance(error, (NewConnectionError, TimeoutError)):
        return TransientFailure("its server cannot be reached")
    return _CUT


def _check_status(url: str, status: int) -> None:
    if status in (200, 206, 416):
        return
    if status in _GONE:
        raise InputError(f"{url}: no such file ({status}); check the address")
    if status in _CLOSED:
        raise UnreadableFile(f"{url}: the server refuses access ({status}); Deglu sends no password: make it public")
    if status in _PASSING or (status >= 500 and status not in (501, 505)):
        raise Passing(f"its server answered {status}", slow=status in (429, 503))
    raise UnreadableFile(f"{url}: the server answered {status}; correct the address")


def _target(url: str, at: str, location: str) -> str:
    target = urldefrag(urljoin(at, location)).url
    if urlsplit(target).scheme not in ("http", "https"):
        raise UnreadableFile(f"{url}: it redirects to an address that is not http or https; correct the address")
    return target


def _clear(url: str, host: str, error: Exception) -> DegluError:
    if isinstance(error, PrivateAddress):
        return UnreadableFile(
            f"{url}: {host} is an address of this machine or of a private network, and not read; if its files are for"
            " you, set `web: {private: true}` for the input"
        )
    if isinstance(error, LocationValueError):
        return InputError(f"{url}: no web server can have this address; correct it")
    if isinstance(error, NameResolutionError):
        return UnreadableFile(f"{url}: there is no host {host}; correct the address")
    return UnreadableFile(f"{url}: the certificate of {host} is not valid; see that the address is right")


def _refused_certificate(error: Exception) -> bool:
    inner = error.args[0] if isinstance(error, SSLError) and error.args else error
    return isinstance(inner, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(inner).upper()


def _is_unknown(error: NameResolutionError) -> bool:
    cause = error.__cause__
    return isinstance(cause, socket.gaierror) and cause.errno in (socket.EAI_NONAME, errno.ENOENT)
