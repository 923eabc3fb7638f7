"""Names of files in stored JSON: plain names below the folder of their owner, checked where the JSON is read.

What is read, copied and deleted later is joined from them; `../../victim` in a manifest or a note must reach nothing.
"""

from typing import Annotated

from pydantic import AfterValidator


def plain_name(name: str) -> str:
    """The name of a file or folder, unchanged.  ValueError where it is empty, has a separator, or begins with a dot."""
    if not name or name.startswith(".") or not name.isprintable() or any(sign in name for sign in "/\\:"):
        raise ValueError(f"{name!r} is no plain name of a file")
    return name


def plain_path(path: str) -> str:
    """A path of plain names, `folder/file`, unchanged.  ValueError where it could lead out of its folder."""
    for name in path.split("/"):
        plain_name(name)
    return path


PlainName = Annotated[str, AfterValidator(plain_name)]
PlainPath = Annotated[str, AfterValidator(plain_path)]
