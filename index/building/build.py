"""Vectors become a published index version.

    survey -> sample -> coders -> shards, by part of the dataset -> merge, by modality -> measure -> store -> publish

The same rows and spec give the same parts, whatever the number of workers or the dataset's files, so ids are stable
and building again repairs damaged files.  A build that was killed goes on with the shards that it has.  Memory holds
ids, one part's rows for each task, and a stretch of every shard; never all vectors.  The manifest comes last.
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
from index.building.resume import Unfinished, key_of
from index.building.shard import write_shard
from index.building.survey import InTasks, Survey, here, sample_rows, survey
from index.calibration.measure import Made, Measured, measured
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
from index.parts.removed import kept_out, read_removed, rewritten, store_removed
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
    """The version that now stands at `spec.output`, and whether this call published it.

    encode    texts of the dataset's own encoder, to measure with short spans of its texts; None: with rows alone.
    log       [q, D] questions that people have really asked.
    in_tasks  does something with each part of the dataset; one after another in this process by default.

    Where the newest version is the very same index, its files are written again, which mends damaged ones, and
    nothing is published.  A spec that differs from the standing version's is refused unless `new_version`.  Rows that
    were deleted in the index stay out.

    Raises SpecError, InputError (nothing to index, damaged rows), FingerprintMismatch, AlreadyPublished.
    """
    check_code_dim(spec, tuple(vectors.info.dims))
    newest = newest_number(spec.output)
    standing = _standing(spec.output, newest)
    if standing and not new_version:
        _check_same_settings(spec, standing.spec)
    removed = rewritten(read_removed(spec.output, standing) if standing else REMOVED.empty_table())
    building = _Build(spec, vectors, lineage, kept_out(removed), in_tasks, progress or _Silent())
    made = building.run(store_removed(spec.output, removed), encode, log)
    made = made.model_copy(update={"version": newest + 1})
    same = standing is not None and standing.calls_same(made)
    if not same and not create_entry(spec.output, made):
        raise AlreadyPublished(f"{spec.output}: another build published version {made.version} first; run this again")
    building.unfinished.clear()
    return (standing, False) if standing and same else (made, True)


class _Build:
    """One build on its way to a manifest."""

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
        self.unfinished = Unfinished(spec.output, key_of(spec, lineage, self.parts, skip))

    def run(self, removed: PartEntry | None, encode: Encode | None, log: FloatArray | None) -> Manifest:
        """The manifest of the parts that it has stored."""
        with self._phase("surveying", self.vectors.info.rows, "rows"):
            surveyed = survey(self.vectors, self.spec.vectors, self.skip, self.progress.advance)
        coder_parts, coders = self._coders(surveyed)
        self._write_shards(coders)
        with self.unfinished.workspace() as scratch:
            with self._phase("merging", surveyed.rows, "rows"):
                made = list(self._merged(surveyed, coder_parts, coders, scratch))
            with self._phase("measuring", len(made), "modalities"):
                learned = measured(self.dims, made, scratch, encode, log, self.progress.note)
            with self._phase("storing", len(made), "modalities"):
                entries = {one.modality: self._stored(one, learned[one.modality]) for one in made}
        return Manifest(
            format=FORMAT,
            version=0,  # settled when it is published
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
        """Of each modality, those of the run before where there are any."""
        kept = self.unfinished.coders()
        try:
            if kept is not None:
                return kept, {modality: self._loaded(part) for modality, part in kept.items()}
        except StorageError as error:
            logger.warning("%s; the coders are made again", error)
        coders = self._trained(surveyed)
        parts = {modality: self._stored_coder(modality, coder) for modality, coder in coders.items()}
        self.unfinished.keep_coders(parts)
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
        with self.unfinished.workspace() as folder:
            save_coder(coder, folder)
            entry = part_of(f"coder-{modality}", folder)
            store_part(self.spec.output, entry, folder)
        return entry

    def _loaded(self, part: PartEntry | None) -> Coder | None:
        return None if part is None else load_coder(part_folder(self.spec.output, part))

    def _write_shards(self, coders: Mapping[str, Coder | None]) -> None:
        done = self.unfinished.shards()
        left = [part for part in self.parts if part.name not in done]
        if len(left) < len(self.parts):
            self.progress.note(f"{len(self.parts) - len(left)} of {len(self.parts)} shards were finished before")
        write = _WriteShard(self.unfinished, coders, self.spec.vectors, self.dims[0], self.skip)
        with self._phase("sharding", sum(part.stored_rows for part in left), "rows"):
            for rows in self.in_tasks(write, left):
                self.progress.advance(rows)

    def _merged(
        self,
        surveyed: Survey,
        coder_parts: Mapping[str, PartEntry | None],
        coders: Mapping[str, Coder | None],
        scratch: Path,
    ) -> Iterator[Made]:
        parts = [part.name for part in self.parts]
        for number, (modality, first) in enumerate(zip(surveyed.modalities, surveyed.firsts, strict=True)):
            folder, coder = scratch / f"rows-{modality}", coders[modality]
            folder.mkdir()
            with self.unfinished.workspace() as shards:
                write_segment(self.unfinished.sources(modality, parts, shards), coder, folder)
            coded = coder is not None
            encoder, drift = surveyed.encoders[number], 1.0 if coded else None
            entry = segment_entry(folder, modality, first, encoder, coded, drift)
            yield Made(modality, folder, entry, coder, coder_parts[modality])
            self.progress.advance(surveyed.counts[number])

    def _stored(self, made: Made, learned: Measured) -> ModalityEntry:
        store_part(self.spec.output, made.entry.part, made.folder)
        router = None
        if learned.router is not None:
            router = part_of(f"router-{made.modality}", learned.router)
            store_part(self.spec.output, router, learned.router)
        self.progress.advance(1)
        return ModalityEntry(coder=made.coder_part, router=router, curves=learned.curves, top_scores=learned.top_scores)

    @contextmanager
    def _phase(self, task: str, total: float, unit: str) -> Iterator[None]:
        self.progress.begin(task, total, unit)
        yield
        self.progress.end()


@dataclass(frozen=True)
class _WriteShard:
    """What a task does with its part; gives the rows that it has read."""

    unfinished: Unfinished
    coders: Mapping[str, Coder | None]
    url: str
    width: int
    skip: pa.Array

    def __call__(self, part: VectorsPart) -> int:
        with self.unfinished.workspace() as folder:
            rows = write_shard(part, self.coders, folder, self.url, self.skip, self.width)
            self.unfinished.keep_shard(part.name, folder, rows)
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


def _standing(url: str, newest: int) -> Manifest | None:
    """The version to compare with; None where there is none that this Deglu can read."""
    try:
        return read_manifest(url, newest) if newest else None
    except OtherFormat as error:
        logger.warning("%s; it is built anew beside that", error)
        return None


def _check_same_settings(wanted: IndexSpec, standing: IndexSpec) -> None:
    # Another version of the same dataset is what a rebuild is for.
    old, new = standing.defining(), wanted.defining()
    changed = [f"{name} {old[name]!r} -> {new[name]!r}" for name in new if name != "version" and old[name] != new[name]]
    if changed:
        raise SpecError(
            f"{wanted.output} was built with other settings ({'; '.join(changed)}); "
            "add --new-version to build beside it, or choose another output"
        )
