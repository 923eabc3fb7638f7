"""Vectors dataset: the reader of the output of `deglu embed`, and its layout on storage.

    OUT/jobs/00000001.json                   the spec that the job began with
    OUT/attempts/<job>/<unit>                a unit was started
    OUT/staging/<job>/<unit>.parquet         a unit is committed
    OUT/data/<entry>-<digest>.parquet        vectors with their provenance
    OUT/assets, ledger, failures, tombstones/<entry>-<digest>.parquet
    OUT/versions/00000001.json               names all files of a version (see `embed.dataset.log`)
    OUT/runs, plans/                         for people (see `embed.dataset.runs`)

Files never change and are never reused, so a version is complete as long as it is kept; read the files that a version
names, not the folder.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.dataset.log import newest_version, read_version
from embed.dataset.version import FileRef, Version, damaged, read_ledger, read_table, without_tombstoned
from embed.errors import InputError
from embed.identity import digest
from embed.storage.store import absolute, join, open_input
from embed.tables import LEDGER, MANIFEST, manifest_of, rows, with_metadata

KEY = ["asset_id", "content_version"]
PART_ROWS = 65_536


def open_dataset(url: str, version: int | None = None) -> "VectorsDataset":
    """A published version: the newest, or number `version`.  Raises InputError where there is none.

    >>> import deglu
    >>> dataset = deglu.open_dataset("build/vectors")
    >>> dataset.info.number, dataset.info.dims
    (1, (32, 16, 8))
    >>> dataset.table(["uri", "vector"]).num_rows == dataset.info.rows
    True
    """
    url = absolute(url)
    if version is not None:
        return VectorsDataset(url, read_version(url, version))
    newest = newest_version(url)
    if newest is None:
        raise InputError(f"{url}: no version is published here; run `deglu embed SPEC` to its end or check the address")
    return VectorsDataset(url, newest)


@dataclass(frozen=True)
class VectorsDataset:
    """One version, fixed at opening; later publishing does not change it."""

    url: str
    info: Version

    @property
    def schema(self) -> pa.Schema:
        """rows(D), with `deglu.space`, `deglu.encoder`, `deglu.dims` and `deglu.metric` as metadata."""
        dims = ",".join(map(str, self.info.dims))
        values = {"space": self.info.space, "encoder": self.info.encoder, "dims": dims, "metric": self.info.metric}
        return with_metadata(rows(self.info.dims[0]), values)

    def files(self) -> list[str]:
        """Urls of the data files, for other readers; tombstoned rows are still in them."""
        return [join(self.url, ref.name) for ref in self.info.data]

    def batches(self, columns: Sequence[str] | None = None, batch_rows: int = 4_096) -> Iterator[pa.RecordBatch]:
        """All rows except the tombstoned, in the order of the files, at most `batch_rows` in a batch, none empty."""
        names = list(columns) if columns is not None else self.schema.names
        tombstones = self.tombstones()
        needed = list(dict.fromkeys([*names, *KEY])) if tombstones.num_rows else names
        for ref in self.info.data:
            for batch in self._batches(ref, batch_rows, needed):
                kept = without_tombstoned(batch, tombstones).select(names)
                if kept.num_rows:
                    yield kept.replace_schema_metadata(self.schema.metadata)

    def parts(self, rows: int | None = None) -> list["DatasetPart"]:
        """All rows, each in one part: whole files in their order, each part but the last of at least `rows` stored."""
        return [DatasetPart(self._of(files)) for files in _grouped(self.info.data, rows or PART_ROWS)]

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows in memory."""
        names = columns if columns is not None else self.schema.names
        schema = pa.schema([self.schema.field(name) for name in names], metadata=self.schema.metadata)
        return pa.Table.from_batches(self.batches(columns), schema=schema)

    def assets(self) -> pa.Table:
        """MANIFEST at the time of publishing, without forgotten assets."""
        return manifest_of(self._read(self.info.assets)) if self.info.assets else MANIFEST.empty_table()

    def ledger(self) -> pa.Table:
        """LEDGER: the newest row of each unit, without tombstoned ones."""
        tombstones = self.tombstones()
        with self._report_removed():
            return without_tombstoned(read_ledger(self.url, self.info), tombstones).select(LEDGER.names)

    def failures(self) -> pa.Table:
        """FAILURES of the newest attempt of each unit in the ledger."""
        failures, live = self._read(self.info.failures), self.ledger()["unit_id"]
        return failures.filter(pc.is_in(failures["unit_id"], value_set=live.combine_chunks()))

    def tombstones(self) -> pa.Table:
        """asset_id, content_version and reason of rows that are no longer valid."""
        return self._read(self.info.tombstones)

    def _of(self, files: tuple[FileRef, ...]) -> "VectorsDataset":
        """The same version with only these data files and without its ledger, to send to workers."""
        return replace(self, info=self.info.model_copy(update={"data": files, "ledger": ()}))

    def _read(self, ref: FileRef) -> pa.Table:
        with self._report_removed():
            return read_table(self.url, ref)

    def _batches(self, ref: FileRef, batch_rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Rows of one data file.  InputError where it is damaged."""
        with self._report_removed(), open_input(join(self.url, ref.name)) as stream:
            try:
                yield from pq.ParquetFile(stream).iter_batches(batch_rows, columns=columns)
            except pa.ArrowException:
                raise damaged(join(self.url, ref.name)) from None

    @contextmanager
    def _report_removed(self) -> Iterator[None]:
        """Raises, for a missing file of a version that a compaction has removed, an error that says this."""
        try:
            yield
        except InputError:
            read_version(self.url, self.info.number)  # raises that error
            raise


@dataclass(frozen=True)
class DatasetPart:
    """Some complete data files of a version, for one task; it can be pickled to workers."""

    dataset: VectorsDataset  # with only these files

    @property
    def name(self) -> str:
        """32 hexadecimal digits of the files' names, thus of their content: the same in every run."""
        return digest(*(ref.name for ref in self.dataset.info.data)).hex()

    @property
    def stored_rows(self) -> int:
        """Rows in the files, tombstoned ones included."""
        return sum(ref.rows for ref in self.dataset.info.data)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows except the tombstoned, like the dataset's `batches`."""
        return self.dataset.batches(columns)


def _grouped(files: Sequence[FileRef], rows: int) -> Iterator[tuple[FileRef, ...]]:
    """Groups of consecutive files with at least `rows` rows; the rest, if any, at the end."""
    group: list[FileRef] = []
    for ref in files:
        group.append(ref)
        if sum(one.rows for one in group) >= rows:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)
