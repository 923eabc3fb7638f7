"""Stores that vectors can be exported to, by name.

To add a store: a `FileFormat` (files that its own loader reads) or a `Target` (a library writes into it), a line in
TARGETS, and a test that reads the export with the store's own library.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Protocol

import pyarrow as pa

from embed.errors import SpecError

Rows = Iterator[pa.RecordBatch]  # as `embed.exports.rows.export_schema`, none empty


class Target(Protocol):
    """A store that takes the parts of a version one after the other."""

    @property
    def tables(self) -> str | None:
        """Pattern of the Parquet files, below the folder of the export; None where there are none."""

    def written(self) -> dict[str, int]:
        """Rows of each part that is in the store completely, by the part's name."""

    def write(self, part: str, place: int, rows: Rows) -> int:
        """Write a part, all of it or nothing; the number of its rows.  `place` is its place in the version, from 0."""

    def finish(self) -> list[str]:
        """Write what the store needs besides the rows; lines for people on how to open the result."""


class Counted:
    """Rows on their way to a store; `rows` is the number of those that it has taken."""

    def __init__(self, rows: Rows) -> None:
        self._given, self.rows = rows, 0

    def __iter__(self) -> Rows:
        for batch in self._given:
            self.rows += batch.num_rows
            yield batch


# `module:name` of a function (folder, dim) -> Target; libraries are imported when their store is asked for.
TARGETS = {
    "parquet": "embed.exports.parquet:parquet",
    "npy": "embed.exports.arrays:arrays",
    "lance": "embed.exports.lance_table:lance_table",
    "sqlite-vec": "embed.exports.sqlite_file:sqlite_file",
    "pgvector": "embed.exports.postgres:postgres",
    "opensearch": "embed.exports.opensearch:opensearch",
    "milvus": "embed.exports.parquet:milvus",
}


def target(name: str) -> Callable[[str, int], Target]:
    """The maker of the store `name`: (folder, dim) -> Target.  Raises SpecError for an unknown name.

    The maker raises SpecError where its library is missing, or it cannot write to such a folder.
    """
    if name not in TARGETS:
        raise SpecError(f"--to {name}: unknown; choose one of {', '.join(TARGETS)}")
    module, _, function = TARGETS[name].partition(":")
    made: Callable[[str, int], Target] = getattr(import_module(module), function)
    return made
