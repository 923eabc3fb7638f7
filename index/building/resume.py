"""What a build has finished so far, kept beside the index until it is published: a build that was killed goes on there.

    <index>/building/<key>/coders.json           the parts that hold the coders
    <index>/building/<key>/<part>/<modality>/    the files of a shard: `index.building.shard`
    <index>/building/<key>/<part>/done.json      comes last; what the shard consists of

The key stands for the rows and settings, so that nothing of another build is taken for this one's.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, TypeAdapter

from embed.errors import InputError
from embed.identity import digest
from embed.storage import store
from embed.storage.scratch import working_folder
from index.building.merge import Source
from index.building.shard import LISTS
from index.contracts import VectorsPart
from index.parts.artifact import FORMAT, PROVENANCE_COPY, ROWS, Lineage, PartEntry
from index.parts.write import put
from index.spec import IndexSpec

BUILDING, DONE, CODERS = "building", "done.json", "coders.json"

_CODERS = TypeAdapter(dict[str, PartEntry | None])


class _Done(BaseModel):
    """A shard that is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: dict[str, int]  # by modality
    bytes: dict[str, int]  # by file


@dataclass(frozen=True)
class Unfinished:
    """One build, known by its key; pickles into workers."""

    index: str
    key: str

    @property
    def url(self) -> str:
        return store.join(self.index, BUILDING, self.key)

    def coders(self) -> Mapping[str, PartEntry | None] | None:
        """By modality, as `keep_coders` had them; None before."""
        try:
            return _CODERS.validate_json(store.read_bytes(store.join(self.url, CODERS)))
        except (InputError, ValueError):
            return None

    def keep_coders(self, coders: Mapping[str, PartEntry | None]) -> None:
        """The coders' parts are stored."""
        store.write_bytes(store.join(self.url, CODERS), _CODERS.dump_json(dict(coders)))

    def keep_shard(self, part: str, folder: Path, rows: Mapping[str, int]) -> None:
        """Store the files of a shard, which lie in `folder`."""
        place = store.join(self.url, part)
        files = {f"{modality}/{path.name}": path for modality in rows for path in sorted((folder / modality).iterdir())}
        for name, path in files.items():
            modality, _, file = name.partition("/")
            put(path, store.join(place, modality), file)
        done = _Done(rows=dict(rows), bytes={name: path.stat().st_size for name, path in files.items()})
        store.write_bytes(store.join(place, DONE), done.model_dump_json().encode())

    def shards(self) -> set[str]:
        """Names of the parts whose shards are whole: one listing."""
        sizes = {entry.url: entry.size_bytes for entry in store.listing(self.url)}
        names = {url.removesuffix(f"/{DONE}").rsplit("/", 1)[-1] for url in sizes if url.endswith(f"/{DONE}")}
        whole = store.in_turn(lambda name: (name, self._is_whole(name, sizes)), sorted(names))
        return {name for name, so in whole if so}

    def sources(self, modality: str, parts: Sequence[str], folder: Path) -> list[Source]:
        """The shards of one modality, of those parts that have any; remote ones are fetched into `folder`."""
        folders = store.in_turn(lambda part: self._local(modality, part, folder / part), parts)
        # Opened one by one: numpy reads headers with `ast`, which fails now and then in threads of Python 3.11.
        return [_opened(found) for found in folders if found is not None]

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder of this machine, on the index's own disk where that is local: what is made is not copied."""
        beside = store.local_path(self.url)
        if beside is not None:
            beside.mkdir(parents=True, exist_ok=True)
        with working_folder(beside) as folder:
            yield folder

    def clear(self) -> None:
        """Remove what this build and others that were given up have left."""
        place = store.join(self.index, BUILDING)
        store.delete(entry.url for entry in store.listing(place))
        folder = store.local_path(place)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _is_whole(self, part: str, sizes: Mapping[str, int]) -> bool:
        try:
            wanted = self._done(part).bytes
        except ValueError:  # half a file, of a disk that was full
            return False
        return all(sizes.get(store.join(self.url, part, name)) == size for name, size in wanted.items())

    def _done(self, part: str) -> _Done:
        return _Done.model_validate_json(store.read_bytes(store.join(self.url, part, DONE)))

    def _local(self, modality: str, part: str, folder: Path) -> Path | None:
        """Where the modality's files of a shard are; None where it has none."""
        place, done = store.join(self.url, part, modality), self._done(part)
        if modality not in done.rows:
            return None
        local = store.local_path(place)
        if local is not None:
            return local
        folder.mkdir(parents=True)
        for name in done.bytes:
            if name.startswith(f"{modality}/"):
                store.local_copy(store.join(self.url, part, name), folder)
        return folder


def _opened(folder: Path) -> Source:
    lists = folder / LISTS
    return Source(
        rows=np.load(folder / ROWS, mmap_mode="r"),
        lists=np.load(lists, mmap_mode="r") if lists.exists() else None,
        provenance=folder / PROVENANCE_COPY,
    )


def key_of(spec: IndexSpec, lineage: Lineage, parts: Sequence[VectorsPart], skip: pa.Array) -> str:
    """Of the build of these parts without the rows in `skip`."""
    rows: list[Any] = [lineage.url, lineage.version, lineage.sha256, *(part.name for part in parts)]
    return digest(FORMAT, spec.defining(), *rows, sorted(one.hex() for one in skip.to_pylist())).hex()
