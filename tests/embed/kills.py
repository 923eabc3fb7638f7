"""Kills of a writer in its own process, at any write to storage, for tests of what is left."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embed.storage.local import LocalFiles


class KilledError(BaseException):
    """Passes all handlers, as a kill does."""


@contextmanager
def kill_after(writes: int) -> Iterator[None]:
    """Raises KilledError instead of the next change of storage after these; each deletion is one."""
    left = iter(range(writes))
    create, move_in, delete = LocalFiles.create, LocalFiles.move_in, LocalFiles.delete

    def step() -> None:
        if next(left, None) is None:
            raise KilledError

    def dying_create(self: LocalFiles, url: str, data: bytes) -> bool:
        step()
        return create(self, url, data)

    def dying_move_in(self: LocalFiles, path: Path, url: str) -> None:
        step()
        move_in(self, path, url)

    def dying_delete(self: LocalFiles, urls: Iterable[str]) -> None:
        for url in urls:
            step()
            delete(self, [url])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalFiles, "create", dying_create)
        patch.setattr(LocalFiles, "move_in", dying_move_in)
        patch.setattr(LocalFiles, "delete", dying_delete)
        yield
