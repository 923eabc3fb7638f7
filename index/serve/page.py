"""The page: one HTML file with its own styles and script, read once."""

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("page") / "page.html"


@cache
def page() -> bytes:
    """The bytes of the page."""
    return FILE.read_bytes()
