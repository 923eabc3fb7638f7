"""Mirror at a url of a local folder, for writers that need a path on disk: event files, plots, weights.

Where the url is local the folder is the url itself, and nothing is copied.  Else the folder is temporary, and `push`
copies to the url what has changed.  Nothing at the url is deleted but files that `push` or `fetch` have copied, and
that are removed from the folder.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile

from embed.storage import store
from embed.storage.scratch import working_folder

Stamp = tuple[int, int]  # size and time of a file


@dataclass
class Mirror:
    """A folder on this disk, and its url."""

    url: str
    folder: Path
    _copied: dict[str, Stamp | None] = field(default_factory=dict)  # by path below both; None: to be copied again

    def path(self, url: str) -> Path:
        """Place in the folder of a url at or below its own."""
        return self.folder / url.removeprefix(self.url).strip("/")

    def fetch(self, chosen: Callable[[str], bool]) -> None:
        """Copy to the folder the files at the url whose path below it is chosen."""
        if self._is_same:
            return
        for entry in store.listing(self.url):
            name = entry.url.removeprefix(self.url).strip("/")
            if chosen(name):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                store.local_copy(entry.url, (self.folder / name).parent)
                self._copied[name] = None

    def push(self, last: str = "") -> None:
        """Copy what has changed, and delete at the url what was removed.

        A file named `last` makes the others valid: it is deleted first and copied last, where others have changed.
        """
        if self._is_same:
            return
        here = {str(path.relative_to(self.folder)): _stamp(path) for path in _files(self.folder)}
        changed = sorted(name for name, stamp in here.items() if self._copied.get(name) != stamp)
        final = [name for name in here if name == last]
        if changed and final:
            store.delete([store.join(self.url, last)])
            changed = [*(name for name in changed if name != last), last]
        gone = [name for name in self._copied if name not in here]
        store.delete([store.join(self.url, name) for name in gone])
        for name in changed:
            self._copy(name)
            self._copied[name] = here[name]
        for name in gone:
            del self._copied[name]

    @property
    def _is_same(self) -> bool:
        return store.local_path(self.url) is not None

    def _copy(self, name: str) -> None:
        url = store.join(self.url, name)
        with store.scratch(url.rpartition("/")[0]) as path:
            copyfile(self.folder / name, path)
            store.move_in(path, url)


@contextmanager
def mirrored(url: str) -> Iterator[Mirror]:
    """The folder whose files belong at `url`; a temporary one is removed at the end, also without a last `push`."""
    local = store.local_path(url)
    if local is not None:
        yield Mirror(url, local)
        return
    with working_folder() as folder:
        yield Mirror(url.rstrip("/"), folder)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
