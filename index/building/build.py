"""Build of an index: vectors become a published version.

    survey -> sample -> coders -> shards, by part of the dataset -> merge, by modality -> measure -> store -> publish

The same rows and spec give the same parts, for any number of workers and any files of the dataset, so ids are stable
and building again repairs damaged files.  A build that was killed continues with its finished shards.  Memory holds
ids, one part's rows for each task, and a stretch of every shard; never all vectors.  The manifest is written last.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from embed.encoder import FloatArray
from embed.errors import AlreadyPublished, SpecError, StorageError
from embed.storage.numbered_log import create_entry, newest_number
from index.building.bits import code_for
from index.building.choose import choose
from index.building.merge import segment_entry, write_segment
from index.building.resume import BuildCheckpoint, key_of
from index.building.shard import write_shard
from index.building.survey import InTasks, Survey, here, sample_rows, survey
from index.calibration.measure import Calibration, MergedModality, calibrations
from index.calibration.questions import Encode
from index.contracts import Progress, Vectors, VectorsPart
from index.parts.artifact import (
    FORMAT,
    REMOVED,
    Lineage,
    Manifest,
    ModalityEntry,
    OtherFormat,
    PartEntry,
    read_manifest,
)
from index.parts.local import part_folder
from index.parts.removed import deleted_ids, read_removed, rewritten, store_removed
from index.parts.write import part_of, store_part
from index.rungs.coder import CODE_ROWS, ROWS_PER_LIST, Coder, load_coder, save_coder, train_coder
from index.spec import IndexSpec, check_code_dim

logger = logging.getLogger(__name__)


def build(
    spec: IndexSpec,
    vectors: Vectors,
    lineage: Lineage,
    new_version: bool = False,
    *,
    encode: Encode | None = None,
    log: FloatArray | None = None,
    in_tasks: InTasks = here,
    progress: Progress | None = None,
) -> tuple[Manifest, bool]:
    """The newest version at `spec.output` after the build, and whether this call published it.

    encode    encodes texts with the dataset's encoder, to measure with short spans of its texts; None: only with rows.
    log       [q, D] real questions of users.
    in_tasks  applies a function to each part of the dataset; one after another in this process by default.

    Where the newest version is the same index, its files are written again, which repairs damaged ones, and nothing is
    published.  A spec that differs from the newest version's is refused unless `new_version`.  Rows that were deleted
    in the index stay deleted.

    Raises SpecError, InputError (nothing to index, damaged rows), FingerprintMismatch, AlreadyPublished.
    """
    check_code_dim(spec, tuple(vectors.info.dims))
    newest = newest_number(spec.output)
    previous = _previous(spec.output, newest)
    if previous and not new_version:
        _check_same_settings(spec, previous.spec)
    removed = rewritten(read_removed(spec.output, previous) if previous else REMOVED.empty_table())
    building = _Build(spec, vectors, lineage, deleted_ids(removed), in_tasks, progress or _Silent())
    made = building.run(store_removed(spec.output, removed), encode, log)
    made = made.model_copy(update={"version": newest + 1})
    same = previous is not None and previous.calls_same(made)
    if not same and not create_entry(spec.output, made):
        raise AlreadyPublished(f"{spec.output}: another build published version {made.version} first; run this again")
    building.checkpoint.clear()
    return (previous, False) if previous and same else (made, True)


class _Build:
    """One build, from vectors to a manifest."""

    def __init__(
        self,
        spec: IndexSpec,
        vectors: Vectors,
        lineage: Lineage,
        skip: pa.Array,
        in_tasks: InTasks,
        progress: Progress,
    ) -> None:
        self.spec, self.vectors, self.lineage, self.skip = spec, vectors, lineage, skip
        self.in_tasks, self.progress = in_tasks, progress
        self.parts = vectors.parts()
        self.dims = tuple(vectors.info.dims)
        self.checkpoint = BuildCheckpoint(spec.output, key_of(spec, lineage, self.parts, skip))

    def run(self, removed: PartEntry | None, encode: Encode | None, log: FloatArray | None) -> Manifest:
        """The manifest of the parts that the build has stored."""
        with self._phase("surveying", self.vectors.info.rows, "rows"):
            surveyed = survey(self.vectors, self.spec.vectors, self.skip, self.progress.advance)
        coder_parts, coders = self._coders(surveyed)
        self._write_shards(coders)
        with self.checkpoint.workspace() as scratch:
            with self._phase("merging", surveyed.rows, "rows"):
                made = list(self._merged(surveyed, coder_parts, coders, scratch))
            with self._phase("measuring", len(made), "modalities"):
                measured = calibrations(self.dims, made, scratch, encode, log, self.progress.note)
            with self._phase("storing", len(made), "modalities"):
                entries = {one.modality: self._stored(one, measured[one.modality]) for one in made}
        return Manifest(
            format=FORMAT,
            version=0,  # set when it is published
            spec=self.spec,
            space=self.vectors.info.space,
            dims=self.dims,
            metric="cosine",
            rows=surveyed.rows,
            segments=tuple(one.entry for one in made),
            modalities=entries,
            removed=removed,
            lineage=self.lineage,
        )

    def _coders(self, surveyed: Survey) -> tuple[Mapping[str, PartEntry | None], Mapping[str, Coder | None]]:
        """Parts and coders by modality, those of the earlier run where there are any."""
        kept = self.checkpoint.coders()
        try:
            if kept is not None:
                return kept, {modality: self._loaded(part) for modality, part in kept.items()}
        except StorageError as error:
            logger.warning("%s; the coders are trained again", error)
        coders = self._trained(surveyed)
        parts = {modality: self._stored_coder(modality, coder) for modality, coder in coders.items()}
        self.checkpoint.keep_coders(parts)
        return parts, coders

    def _trained(self, surveyed: Survey) -> dict[str, Coder | None]:
        plans = {}
        for modality, rows in zip(surveyed.modalities, surveyed.counts, strict=True):
            plans[modality] = choose(rows, self.dims, self.spec, self._memory(rows / surveyed.rows))
            self.progress.note(f"{modality}: {'; '.join(plans[modality].reasons)}")
        coded = {modality: plan for modality, plan in plans.items() if plan.coded}
        sizes = {modality: max(CODE_ROWS, ROWS_PER_LIST * plan.lists) for modality, plan in coded.items()}
        coders: dict[str, Coder | None] = dict.fromkeys(surveyed.modalities)
        if coded:
            with self._phase("making codes", 1 + len(coded), "steps"):
                samples = sample_rows(self.vectors, surveyed, sizes, self.spec.vectors, self.in_tasks)
                self.progress.advance(1)
                for modality, plan in coded.items():
                    rows = surveyed.counts[surveyed.modalities.index(modality)]
                    ceiling, sample = self._memory(rows / surveyed.rows), samples.pop(modality)
                    shape, tried = code_for(sample, rows, self.dims, self.spec, plan, ceiling)
                    if tried:
                        self.progress.note(f"{modality}: {tried}")
                    coders[modality] = train_coder(sample, plan.lists, shape.dim, shape.subspaces)
                    self.progress.advance(1)
        return coders

    def _memory(self, share: float) -> int | None:
        return None if self.spec.memory_gb is None else int(share * self.spec.memory_gb * 1e9)

    def _stored_coder(self, modality: str, coder: Coder | None) -> PartEntry | None:
        if coder is None:
            return None
        with self.checkpoint.workspace() as folder:
            save_coder(coder, folder)
            entry = part_of(f"coder-{modality}", folder)
            store_part(self.spec.output, entry, folder)
        return entry

    def _loaded(self, part: PartEntry | None) -> Coder | None:
        return None if part is None else load_coder(part_folder(self.spec.output, part))

    def _write_shards(self, coders: Mapping[str, Coder | None]) -> None:
        done = self.checkpoint.shards()
        left = [part for part in self.parts if part.name not in done]
        if len(left) < len(self.parts):
            self.progress.note(f"{len(self.parts) - len(left)} of {len(self.parts)} shards were already finished")
        write = _WriteShard(self.checkpoint, coders, self.spec.vectors, self.dims[0], self.skip)
        with self._phase("sharding", sum(part.stored_rows for part in left), "rows"):
            for rows in self.in_tasks(write, left):
                self.progress.advance(rows)

    def _merged(
        self,
        surveyed: Survey,
        coder_parts: Mapping[str, PartEntry | None],
        coders: Mapping[str, Coder | None],
        scratch: Path,
    ) -> Iterator[MergedModality]:
        parts = [part.name for part in self.parts]
        for number, (modality, first) in enumerate(zip(surveyed.modalities, surveyed.firsts, strict=True)):
            folder, coder = scratch / f"rows-{modality}", coders[modality]
            folder.mkdir()
            with self.checkpoint.workspace() as shards:
                write_segment(self.checkpoint.sources(modality, parts, shards), coder, folder)
            coded = coder is not None
            encoder, drift = surveyed.encoders[number], 1.0 if coded else None
            entry = segment_entry(folder, modality, first, encoder, coded, drift)
            yield MergedModality(modality, folder, entry, coder, coder_parts[modality])
            self.progress.advance(surveyed.counts[number])

    def _stored(self, made: MergedModality, measured: Calibration) -> ModalityEntry:
        store_part(self.spec.output, made.entry.part, made.folder)
        router = None
        if measured.router is not None:
            router = part_of(f"router-{made.modality}", measured.router)
            store_part(self.spec.output, router, measured.router)
        self.progress.advance(1)
        return ModalityEntry(
            coder=made.coder_part, router=router, curves=measured.curves, top_scores=measured.top_scores
        )

    @contextmanager
    def _phase(self, task: str, total: float, unit: str) -> Iterator[None]:
        self.progress.begin(task, total, unit)
        yield
        self.progress.end()


@dataclass(frozen=True)
class _WriteShard:
    """The task for one part: writes its shard; returns the number of rows read."""

    checkpoint: BuildCheckpoint
    coders: Mapping[str, Coder | None]
    url: str
    width: int
    skip: pa.Array

    def __call__(self, part: VectorsPart) -> int:
        with self.checkpoint.workspace() as folder:
            rows = write_shard(part, self.coders, folder, self.url, self.skip, self.width)
            self.checkpoint.keep_shard(part.name, folder, rows)
        return part.stored_rows


class _Silent:
    def begin(self, task: str, total: float, unit: str = "units") -> None:
        pass

    def advance(self, units: float) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass


def _previous(url: str, newest: int) -> Manifest | None:
    """The version to compare with; None where there is none that this Deglu can read."""
    try:
        return read_manifest(url, newest) if newest else None
    except OtherFormat as error:
        logger.warning("%s; this build adds a new version next to it", error)
        return None


def _check_same_settings(spec: IndexSpec, previous: IndexSpec) -> None:
    # Another version of the same dataset is the usual reason to build again.
    old, new = previous.defining(), spec.defining()
    changed = [f"{name} {old[name]!r} -> {new[name]!r}" for name in new if name != "version" and old[name] != new[name]]
    if changed:
        raise SpecError(
            f"{spec.output} was built with other settings ({'; '.join(changed)}); "
            "add --new-version to publish a new version, or choose another output"
        )
