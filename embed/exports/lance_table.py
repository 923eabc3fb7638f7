"""Lance: one table, to which each part is appended in one transaction that has its name."""

from typing import Any

import pyarrow as pa

from embed.errors import SpecError
from embed.exports.rows import export_schema
from embed.exports.targets import Counted, Rows
from embed.storage.store import local_path

PART, ROWS = "deglu.part", "deglu.rows"
CURE = "pip install pylance, or pip install -e '.[export]'"


def lance_table(folder: str, dim: int) -> "LanceTable":
    """Raises SpecError where the library is missing, or the folder is remote."""
    try:
        import lance
    except ImportError:
        raise SpecError(f"--to lance requires the library pylance: {CURE}") from None
    path = local_path(folder)
    if path is None:
        raise SpecError(f"{folder}: a Lance table is written to a local folder; copy it to its place afterwards")
    return LanceTable(lance, str(path / "vectors.lance"), dim)


class LanceTable:
    """A `Target`."""

    tables = None

    def __init__(self, library: Any, url: str, dim: int) -> None:
        self._lance, self._url, self._schema = library, url, export_schema(dim)

    def written(self) -> dict[str, int]:
        table = self._table()
        if table is None:
            return {}
        properties = [table.read_transaction(one["version"]).transaction_properties for one in table.versions()]
        return {found[PART]: int(found[ROWS]) for found in properties if found and PART in found}

    def write(self, part: str, place: int, rows: Rows) -> int:
        table, counted = self._table(), Counted(rows)
        reader = pa.RecordBatchReader.from_batches(self._schema, iter(counted))
        transaction = self._lance.fragment.write_fragments(
            reader,
            self._url if table is None else table,
            mode="create" if table is None else "append",
            schema=self._schema,
            return_transaction=True,
        )
        if counted.rows:
            transaction.transaction_properties = {PART: part, ROWS: str(counted.rows)}
            self._lance.LanceDataset.commit(self._url if table is None else table, transaction)
        return counted.rows

    def finish(self) -> list[str]:
        return [f"lance      lance.dataset({self._url!r}).to_table(limit=5)"]

    def _table(self) -> Any | None:
        try:
            return self._lance.dataset(self._url)
        except (ValueError, FileNotFoundError, OSError):
            return None
