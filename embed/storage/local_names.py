r"""Names of local files as urls, which are valid text: a byte of a name that is not UTF-8 becomes `\xe9`.

Any other name is its own url, except that a `\` which would look like such a byte becomes `\x5c`.  So names and urls
are one to one, and each url opens the file that it was listed for.
"""

import re

_BYTE = re.compile("[\udc80-\udcff]")  # as Python decodes a byte of a name that is not UTF-8
_LITERAL = re.compile(r"\\(?=x(?:5c|[89a-f][0-9a-f]))")
_ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


def is_text(name: str) -> bool:
    """Whether every character of a name is whole; half a surrogate pair is not valid text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def url_of(path: str) -> str:
    """The url of a path, as `os` gives it."""
    if path.isascii() and "\\" not in path:
        return path
    return _BYTE.sub(lambda found: rf"\x{ord(found[0]) - 0xDC00:02x}", _LITERAL.sub(r"\\x5c", path))


def path_of(url: str) -> str:
    """The path to open; the inverse of `url_of`."""
    return _ESCAPED.sub(lambda found: "\\" if found[1] == "5c" else chr(0xDC00 + int(found[1], 16)), url)
