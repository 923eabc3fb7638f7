"""Checkpoint of a build: its finished work, stored next to the index until it is published, so that a build can resume.

    <index>/building/<key>/coders.json           the parts that hold the coders
    <index>/building/<key>/<part>/<modality>/    the files of a shard: `index.building.shard`
    <index>/building/<key>/<part>/done.json      written last; the rows and files of the shard

The key is a digest of the rows and settings, so that a build never uses files of another build.
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
from embed.storage.names import PlainName, PlainPath
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
    """Record of a complete shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: dict[PlainName, int]  # by modality
    bytes: dict[PlainPath, int]  # by file


@dataclass(frozen=True)
class BuildCheckpoint:
    """Checkpoint of one build, identified by its key; pickles into workers."""

    index: str
    key: str

    @property
    def url(self) -> str:
        return store.join(self.index, BUILDING, self.key)

    def coders(self) -> Mapping[str, PartEntry | None] | None:
        """By modality, as `keep_coders` stored them; None before."""
        try:
            return _CODERS.validate_json(store.read_bytes(store.join(self.url, CODERS)))
        except (InputError, ValueError):
            return None

    def keep_coders(self, coders: Mapping[str, PartEntry | None]) -> None:
        """Record the parts of the coders, which are stored already."""
        store.write_bytes(store.join(self.url, CODERS), _CODERS.dump_json(dict(coders)))

    def keep_shard(self, part: str, folder: Path, rows: Mapping[str, int]) -> None:
        """Store the files of a shard, which are in `folder`."""
        place = store.join(self.url, part)
        files = {f"{modality}/{path.name}": path for modality in rows for path in sorted((folder / modality).iterdir())}
        for name, path in files.items():
            modality, _, file = name.partition("/")
            put(path, store.join(place, modality), file)
        done = _Done(rows=dict(rows), bytes={name: path.stat().st_size for name, path in files.items()})
        store.write_bytes(store.join(place, DONE), done.model_dump_json().encode())

    def shards(self) -> set[str]:
        """Names of the parts whose shards are complete: one listing."""
        sizes = {entry.url: entry.size_bytes for entry in store.listing(self.url)}
        names = {url.removesuffix(f"/{DONE}").rsplit("/", 1)[-1] for url in sizes if url.endswith(f"/{DONE}")}
        whole = store.in_turn(lambda name: (name, self._is_whole(name, sizes)), sorted(names))
        return {name for name, so in whole if so}

    def sources(self, modality: str, parts: Sequence[str], folder: Path) -> list[Source]:
        """The shards of one modality, of the parts that have some; remote ones are fetched into `folder`."""
        folders = store.in_turn(lambda part: self._local(modality, part, folder / part), parts)
        # Opened one by one: numpy reads headers with `ast`, which sometimes fails in threads of Python 3.11.
        return [_opened(found) for found in folders if found is not None]

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder of this machine; on the disk of a local index, so that new files need no copy."""
        parent = store.local_path(self.url)
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        with working_folder(parent) as folder:
            yield folder

    def clear(self) -> None:
        """Remove the checkpoints of this build and of all abandoned ones."""
        place = store.join(self.index, BUILDING)
        store.delete(entry.url for entry in store.listing(place))
        folder = store.local_path(place)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _is_whole(self, part: str, sizes: Mapping[str, int]) -> bool:
        try:
            expected = self._done(part).bytes
        except ValueError:  # a truncated file, from a full disk
            return False
        return all(sizes.get(store.join(self.url, part, name)) == size for name, size in expected.items())

    def _done(self, part: str) -> _Done:
        return _Done.model_validate_json(store.read_bytes(store.join(self.url, part, DONE)))

    def _local(self, modality: str, part: str, folder: Path) -> Path | None:
        """The folder of the modality's files of a shard; None where it has none."""
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
    """The key of a build of these parts without the rows in `skip`."""
    rows: list[Any] = [lineage.url, lineage.version, lineage.sha256, *(part.name for part in parts)]
    return digest(FORMAT, spec.defining(), *rows, sorted(one.hex() for one in skip.to_pylist())).hex()
