"""Inputs on a local disk: every file below a folder, and whatever there cannot be read, each with its reason.

One bad file, link or folder is an entry with a problem, and opening it raises the same reason: a pipe would block its
reader for ever, a link may lead to itself, a folder may be closed to this user.  Links to folders are followed once;
a link that leads out of a folder with `contained` is a problem too, and nothing there is opened.
"""

import os
from collections.abc import Callable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import Any, BinaryIO

from embed.errors import OutsideInput, UnreadableFile
from embed.storage.entry import Entry, entry_of
from embed.storage.errors import clear_error
from embed.storage.local_names import path_of, url_of

_BUFFER_BYTES = 1 << 16  # decoders read some kilobytes at a time, each time through Python
_KINDS = {S_ISFIFO: "a pipe", S_ISSOCK: "a socket", S_ISCHR: "a device", S_ISBLK: "a device"}


def local_inputs(url: str, contained: bool) -> Iterator[Entry]:
    """Every file below `url`, or `url` itself.  Raises OSError where `url` is a folder that cannot be listed."""
    top = path_of(url)
    real_top = os.path.realpath(top) if contained else os.sep
    if not os.path.isdir(top):
        yield from _entry(top)
        return
    first_paths, waiting = {_inode(top): top}, [top]
    while waiting:  # not `os.walk`, which recurses: a thousand folders may be inside each other
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                inside = sorted(found, key=lambda one: one.name)
        except OSError as error:
            if folder == top:
                raise
            if not isinstance(error, FileNotFoundError):  # deleted meanwhile
                yield _problem(f"{folder}/", error)
            continue
        followed: list[str] = []
        for one in inside:
            if one.is_symlink() and not is_inside(one.path, real_top):
                yield _leading_out(one)
            elif not _is_folder(one):
                yield from _entry(one.path)
            elif refused := list(_not_followed(one.path, first_paths)):
                yield from refused
            else:
                followed.append(one.path)
        waiting += reversed(followed)


def is_inside(path: str, real_folder: str) -> bool:
    """Whether a path leads to a folder without links, or below it."""
    real = os.path.realpath(path)
    return real == real_folder or real.startswith(f"{real_folder.rstrip(os.sep)}{os.sep}")


def open_local(url: str) -> BinaryIO:
    """A stream whose later errors are those of Deglu, too.  Raises OSError, or UnreadableFile for no regular file."""
    path = path_of(url)
    if not S_ISREG(os.stat(path).st_mode):
        raise _not_a_file(url, path)
    return BufferedReader(_Reading(url, path), _BUFFER_BYTES)


class _Reading(FileIO):
    """A file whose errors name its url."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__(path, "rb")
        self._url = url

    def readinto(self, buffer: Any, /) -> int:
        return int(self._do(super().readinto, buffer))

    def readall(self) -> bytes:
        return bytes(self._do(super().readall))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return int(self._do(super().seek, offset, whence))

    def _do(self, act: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return act(*arguments)
        except OSError as error:
            raise clear_error(self._url, error) from error


def _entry(path: str) -> Iterator[Entry]:
    """The file, or why it cannot be read; nothing where there is none."""
    try:
        status = os.stat(path)
        if not S_ISREG(status.st_mode):
            raise _not_a_file(url_of(path), path)
    except FileNotFoundError as error:
        if os.path.islink(path):
            yield _problem(path, error)
    except (OSError, UnreadableFile) as error:
        yield _problem(path, error)
    else:
        yield entry_of(url_of(path), status)


def _leading_out(one: "os.DirEntry[str]") -> Entry:
    """A link that is not followed; of a folder with a `/`, as of a folder that cannot be listed."""
    url = url_of(f"{one.path}/" if _is_folder(one) else one.path)
    place = url_of(os.path.realpath(one.path))
    cure = "copy it into the input, or set `follow: outside` for the input"
    error = OutsideInput(f"{url}: a link to {place!r}, which is outside of the input and is not read; {cure}")
    return Entry(url, 0, None, None, problem=f"{type(error).__name__}: {error}")


def _is_folder(one: "os.DirEntry[str]") -> bool:
    try:
        return one.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _not_followed(path: str, first_paths: dict[tuple[int, int], str]) -> Iterator[Entry]:
    """Of a folder, why its files are not listed below this path; nothing where they are."""
    try:
        first = first_paths.setdefault(_inode(path), path)
        if _is_above(first, path):
            raise _not_a_file(url_of(f"{path}/"), path)
    except FileNotFoundError:  # deleted meanwhile
        return
    except (OSError, UnreadableFile) as error:
        yield _problem(f"{path}/", error)
    else:
        if first != path:
            yield Entry(url_of(f"{path}/"), 0, None, None, repeats=url_of(first))


def _problem(path: str, error: Exception) -> Entry:
    url = url_of(path)
    clear = error if isinstance(error, UnreadableFile) else clear_error(url, error)
    return Entry(url, 0, None, None, problem=f"{type(clear).__name__}: {clear}")


def _not_a_file(url: str, path: str) -> UnreadableFile:
    mode = os.stat(path).st_mode
    kind = next((name for is_kind, name in _KINDS.items() if is_kind(mode)), "not a regular file")
    if S_ISDIR(mode):
        os.scandir(path).close()  # raises the reason where it cannot be listed
        here = Path(path)
        above = any(os.path.samefile(here, folder) for folder in here.parents)
        kind = "a link to a folder above it" if above else "a folder"
    return UnreadableFile(f"{url}: {kind}, and no file; remove it, or name it in the input's `exclude`")


def _is_above(folder: str, path: str) -> bool:
    return path != folder and path.startswith(f"{folder.rstrip('/')}/")


def _inode(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
