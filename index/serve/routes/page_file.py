"""The page: one HTML file with its own styles and script, and the policy that lets nothing else run in it."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("page") / "page.html"


@cache
def page() -> bytes:
    """The bytes of the page."""
    return FILE.read_bytes()


@cache
def policy() -> str:
    """The Content-Security-Policy of the page: its own script and styles, known by their hashes, and this server."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes('script')}",
            f"style-src {_hashes('style')}",
            "connect-src 'self'",
            "media-src 'self' blob:",
            "img-src data:",  # its icon
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def _hashes(tag: str) -> str:
    """Of each inline element of the tag, as browsers compute them: of the bytes between the tags."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page(), re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in found)
