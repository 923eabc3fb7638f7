"""Traces of forgotten assets, in any file of a dataset, of any version or none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.errors import InputError
from embed.identity import asset_id
from embed.storage.store import join, listing, open_input
from embed.tables import ID

NAMING = ("assets", "failures", "plans", "passed_over")  # tables with the uris of assets
WITH_ROWS = ("data", "staging")  # tables with the contents of assets


@dataclass(frozen=True)
class Traces:
    """Files in which forgotten assets still occur, by name below the dataset's url, with the rows of each."""

    holding: dict[str, int]  # vectors and texts
    naming: dict[str, int]  # only uris


def traces(url: str, forgotten: pa.Array) -> Traces:
    """Search for these assets in every file, of any version or none; reads one column of each."""
    found = {kinds: dict(_holding(url, kinds, forgotten)) for kinds in (WITH_ROWS, NAMING)}
    return Traces(found[WITH_ROWS], found[NAMING])


def _holding(url: str, folders: Iterable[str], assets: pa.Array) -> Iterator[tuple[str, int]]:
    if not len(assets):
        return
    for folder in folders:
        for entry in listing(join(url, folder), ".parquet"):
            if count := _rows_of(entry.url, assets):
                yield entry.url[len(url) + 1 :], count


def _rows_of(url: str, assets: pa.Array) -> int:
    """Rows with these assets; 0 for a file that was deleted meanwhile or is not readable; other checks report it."""
    try:
        with open_input(url) as stream:
            column = _ids(pq.ParquetFile(stream))
    except (InputError, OSError, pa.ArrowException):
        return 0
    return int(pc.sum(pc.is_in(column, value_set=assets), min_count=0).as_py())


def _ids(file: pq.ParquetFile) -> pa.Array | pa.ChunkedArray:
    if "asset_id" in file.schema_arrow.names:
        return file.read(["asset_id"])["asset_id"]
    return pa.array([asset_id(uri) for uri in file.read(["uri"])["uri"].to_pylist()], ID)
