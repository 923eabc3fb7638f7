"""Page of HTML: one document with the text that a browser shows; the title of the page is its title.

Scripts, styles and hidden parts are left out.  Paragraphs, headings, list items and cells begin a line of their own.
"""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from embed.errors import InputError
from embed.text.documents import Document, is_blank
from embed.text.encodings import canonical
from embed.text.gzipped import whole_text

_UNSEEN = frozenset({"iframe", "noscript", "object", "script", "style", "svg", "template", "title"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "legend", "li",
    "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "td", "th", "tr", "ul",
})  # fmt: skip
_DECLARATION = re.compile(
    rb"""<(?:meta\s[^>]*?charset|\?xml\s[^>]*?encoding)\s*=\s*["']?\s*([^\s"'/>;]+)""", re.IGNORECASE
)
_HEAD_BYTES = 4096
_LAST_TAGS = re.compile(r"</(?:html|body)\s*>", re.IGNORECASE)  # lxml leaves out what follows them; browsers do not
# Browsers read these names as encodings with more characters; pages rely on it.
_AS_BROWSERS = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}
_EDGE = "\x1e"  # of a block: no text has it
_LANG = ("lang", "xml:lang")


def read_page(url: str, encoding: str | None) -> Iterator[Document]:
    """The page's one document.  Raises InputError where it has no text, or bytes that are no characters."""
    root = _root(url, _LAST_TAGS.sub("", whole_text(url, encoding)).encode())
    title = " ".join((root.findtext(".//title") or "").split())
    lang = next((root.get(name) for name in _LANG if root.get(name)), None)
    lines = [" ".join(line.split()) for line in "".join(_pieces(root)).split(_EDGE)]
    text = "\n".join(line for line in lines if line)
    if is_blank(text) and is_blank(title):
        raise InputError(f"{url}: the page has no text; is it made by a script?")
    yield Document(text, title, lang=lang, metadata={"title": title} if title else {}, place=0)


def declared_encoding(head: bytes) -> str | None:
    """The encoding that the first bytes of a page declare, where it is known."""
    found = _DECLARATION.search(head[:_HEAD_BYTES])
    try:
        name = canonical(found[1].decode("latin-1")) if found else None
    except ValueError:
        return None
    return _AS_BROWSERS.get(name, name) if name else None


def _root(url: str, data: bytes) -> Any:
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root = etree.fromstring(data, parser) if data.strip() else None
    if root is None:
        raise InputError(f"{url}: the page has no text")
    if fatal := [entry for entry in parser.error_log if entry.level == etree.ErrorLevels.FATAL]:
        raise InputError(f"{url}: not readable as HTML: line {fatal[0].line}: {' '.join(fatal[0].message.split())}")
    return root


def _pieces(root: Any) -> Iterator[str]:
    """The visible text, with an edge where a block begins or ends."""
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start":
            if element.tag in _UNSEEN or "hidden" in element.attrib:
                walk.skip_subtree()
                continue
            yield _edge(element)
            yield element.text or ""
        else:
            yield _edge(element)
            yield element.tail or ""


def _edge(element: Any) -> str:
    return _EDGE if element.tag in _BLOCKS else ""
