"""Preparation of an embedding: reads the spec's model, lists the inputs, computes the work that is left."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.job import Job, next_job, open_job
from embed.dataset.work_left import Listing, WorkLeft, list_archive, work_left
from embed.errors import SpecError, UnreadableFile
from embed.model.handle import ModelHandle, resolve_model
from embed.segmentation.rules import Cutting, refuse_truncation
from embed.segmentation.tokens import words_of
from embed.spec import EmbedSpec
from embed.storage.store import absolute
from embed.tables import SPEECH
from jobs.command.progress import Progress, probing


@dataclass(frozen=True)
class Preparation:
    """The spec, resolved, as driver, plan and dry run need it before a unit runs."""

    spec: EmbedSpec
    url: str
    cutting: Cutting
    model: ModelHandle

    def job(self, new_version: bool = False) -> Job:
        """Begins the output where it is missing.  Raises SpecError where it was begun with other settings."""
        return open_job(**self._begun_with(), new_version=new_version)

    def list_inputs(self, progress: Progress, known: pa.Table | None = None) -> Listing:
        """The inputs; `known` assets are not probed again.  SpecError for speech with a model of text alone."""
        with probing(progress, [one.url for one in self.spec.inputs]) as report:
            found = list_archive(self.url, self.spec.inputs, report, known)
        for note in found.notes:
            progress.note(note)
        # Nobody knows what is in a pipe, or in a folder that is closed.
        unreadable = pc.starts_with(pc.fill_null(found.assets["problem"], ""), UnreadableFile.__name__)
        speech = pc.and_not(pc.equal(found.assets["modality"], SPEECH), unreadable)
        if not self.model.speaks and pc.any(speech).as_py():
            raise SpecError(
                f"model = {self.spec.model!r} encodes text only, but the inputs contain speech; choose another model"
            )
        return found

    def work(self, progress: Progress) -> tuple[WorkLeft, str]:
        """The work that `deglu embed` would do now, and a note where it would require --new-version; writes nothing."""
        listing = self.list_inputs(progress)
        job, differences = next_job(**self._begun_with())
        note = "the output was begun with another spec: `deglu embed` requires --new-version, or another output"
        return work_left(job, listing, self.cutting), note if differences else ""

    def _begun_with(self) -> dict[str, Any]:
        """Settings that an output is begun with, and that every later run must match."""
        return {
            "url": self.url,
            "defining": self.cutting.defining(),
            "dims": self.model.spec.dims,
            "space": self.model.fingerprints.space,
            "encoder": self.model.fingerprints.encoder,
            "model": self.model.lasting_name,
        }


def prepare(spec: EmbedSpec) -> Preparation:
    """Reads the model's spec and no weights.  Raises SpecError where it is missing, or would truncate passages."""
    model = resolve_model(spec.model)
    refuse_truncation(model, spec.passage)
    cutting = Cutting(spec.segment, spec.passage, words_of(model.spec.text.name).digest)
    return Preparation(spec, absolute(spec.output), cutting, model)
