"""A web server on this machine with the manners and the faults of real ones, for tests of what is read from the web."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What is at a path: its bytes, and how the server gives them."""

    data: bytes = b""
    media_type: str = "audio/wav"
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    stated_bytes: int | None = None  # the size of the whole, where the server states another one
    cut: bool = False  # each answer ends in the middle
    fails: int = 0  # so many answers are `status` before the page is given
    status: int = 500
    location: str = ""  # of a redirect
    chunked: bool = False  # no length is stated


@dataclass
class WebServer:
    """`pages` by path; `asked` are the paths and ranges of the requests, in their order."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def times(self, path: str) -> int:
        return sum(one == path for one, _ in self.asked)


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Running inside the block, on a free port of 127.0.0.1."""
    site = WebServer()
    server = _Server(("127.0.0.1", 0), _handler_of(site))
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: readers close connections when they have the head of a file."""


def _handler_of(site: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append((self.path, asked))
            page = site.pages.get(self.path)
            if page is None:
                self._send(404, {}, b"")
            elif page.location:
                self._send(302, {"Location": page.location}, b"")
            elif page.fails:
                page.fails -= 1
                self._send(page.status, {}, b"")
            else:
                self._page(page, asked)

        def _page(self, page: Page, asked: str) -> None:
            headers = {"Content-Type": page.media_type, "ETag": page.etag, "Last-Modified": page.modified}
            kept = {name: value for name, value in headers.items() if value is not None}
            if not (page.ranges and asked):
                self._send(200, kept, page.data, page.cut, page.chunked)
                return
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = page.data[int(first) : int(last) + 1]
            if not part:
                self._send(416, {"Content-Range": f"bytes */{len(page.data)}"}, b"")
                return
            size = page.stated_bytes or len(page.data)
            kept["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{size}"
            self._send(206, kept, part, page.cut)

        def _send(
            self, status: int, headers: dict[str, str], data: bytes, cut: bool = False, chunked: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if chunked:
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            try:
                self.wfile.write(data[: len(data) // 2] if cut else data)
            except OSError:
                return  # the reader needed the head alone
            if cut or chunked:
                self.close_connection = True

    return Handler
