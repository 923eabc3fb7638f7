"""Exports in files: each part becomes one or more files, and a marker that is written after them.

OUT/data/00012-000.parquet    piece 0 of part 12
OUT/parts/<part>.json         the part is complete; names, bytes, sha256 and rows of its files
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from embed.errors import InputError
from embed.exports.targets import Counted, Rows
from embed.identity import file_sha256
from embed.storage.store import join, listing, move_in, read_bytes, scratch, write_bytes

DATA, PARTS = "data", "parts"


class FileFormat(Protocol):
    """The form of the files of a store."""

    @property
    def suffixes(self) -> Sequence[str]:
        """One for each file of a piece, dot included."""

    @property
    def piece_rows(self) -> int | None:
        """Most rows in a piece; None: a part is one piece."""

    def write(self, paths: Sequence[Path], rows: Rows) -> None:
        """Write a piece, one path for each suffix; memory does not grow with its rows."""

    def extras(self, files: Sequence[str]) -> dict[str, str]:
        """Text files next to the data, by name; `files` are the data files, below the folder of the export."""

    def advice(self, folder: str) -> list[str]:
        """Lines on how to open or load the export."""


class Files:
    """A `Target` that writes files, locally or remotely."""

    def __init__(self, folder: str, form: FileFormat) -> None:
        self._folder, self._form = folder, form

    @property
    def tables(self) -> str | None:
        return f"{DATA}/*.parquet" if ".parquet" in self._form.suffixes else None

    def written(self) -> dict[str, int]:
        return {name: int(marker["rows"]) for name, marker in self._markers().items()}

    def write(self, part: str, place: int, rows: Rows) -> int:
        pieces = [
            self._piece(place, number, piece) for number, piece in enumerate(_pieces(rows, self._form.piece_rows))
        ]
        count = sum(int(piece[0]["rows"]) for piece in pieces)
        marker = {"part": part, "place": place, "rows": count, "files": [file for piece in pieces for file in piece]}
        write_bytes(join(self._folder, PARTS, f"{part}.json"), json.dumps(marker, indent=1).encode())
        return count

    def finish(self) -> list[str]:
        markers = sorted(self._markers().values(), key=lambda marker: int(marker["place"]))
        names = [str(file["name"]) for marker in markers for file in marker["files"]]
        for name, text in self._form.extras(names).items():
            write_bytes(join(self._folder, name), text.encode())
        return self._form.advice(self._folder)

    def _markers(self) -> dict[str, dict[str, Any]]:
        return dict(_marker(entry.url) for entry in listing(join(self._folder, PARTS), ".json"))

    def _piece(self, place: int, number: int, rows: Rows) -> list[dict[str, Any]]:
        names = [f"{DATA}/{place:05d}-{number:03d}{suffix}" for suffix in self._form.suffixes]
        counted = Counted(rows)
        with ExitStack() as stack:
            paths = [stack.enter_context(scratch(join(self._folder, DATA))) for _ in names]
            self._form.write(paths, iter(counted))
            files = [
                {"name": name, "size_bytes": path.stat().st_size, "sha256": file_sha256(path), "rows": counted.rows}
                for name, path in zip(names, paths, strict=True)
            ]
            for name, path in zip(names, paths, strict=True):
                move_in(path, join(self._folder, name))
        return files


def _marker(url: str) -> tuple[str, dict[str, Any]]:
    try:
        marker = json.loads(read_bytes(url))
        return str(marker["part"]), {key: marker[key] for key in ("place", "rows", "files")}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{url}: damaged; delete this file, and the same command writes its part again") from None


def _pieces(rows: Rows, most: int | None) -> Iterator[Rows]:
    """The rows in pieces of at most `most`; each piece must be read before the next one is asked for."""
    rest: Iterator[pa.RecordBatch] = iter(rows)
    while (first := next(rest, None)) is not None:
        if most is None:
            yield chain([first], rest)
            return
        held: list[pa.RecordBatch] = []
        yield _up_to(most, chain([first], rest), held)
        rest = chain(held, rest)


def _up_to(most: int, rows: Iterator[pa.RecordBatch], rest: list[pa.RecordBatch]) -> Rows:
    """At most `most` rows; what is left of the last batch is put into `rest`."""
    for batch in rows:
        if batch.num_rows >= most:
            rest.extend([batch.slice(most)] if batch.num_rows > most else [])
            yield batch.slice(0, most)
            return
        most -= batch.num_rows
        yield batch
