"""Preparation of an embedding: reads the spec's model, lists the inputs, computes the work that is left."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.changes import KEY, before_assets, num_changed, num_gone
from embed.dataset.job import Job, next_job, open_job
from embed.dataset.work_left import Listing, WorkLeft, list_archive, work_left
from embed.errors import OutsideInput, SpecError, UnreadableFile
from embed.model.handle import ModelHandle, resolve_model
from embed.quantities import many
from embed.segmentation.rules import Cutting, refuse_long_speech, refuse_truncation
from embed.segmentation.tokens import words_of
from embed.spec import EmbedSpec
from embed.storage.store import absolute
from embed.tables import SPEECH
from jobs.command.progress import Progress, probing

_UNREADABLE = f"^({UnreadableFile.__name__}|{OutsideInput.__name__}): "

LEAST_CHANGED = 10  # fewer assets are embedded again in minutes


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
        unreadable = pc.match_substring_regex(pc.fill_null(found.assets["problem"], ""), _UNREADABLE)
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
        doubt = self.doubt(before_assets(self.url, KEY), listing.assets)
        notes = [f"`deglu embed` will stop: {doubt}"] if doubt else []
        if differences:
            notes.append(
                "the output was begun with another spec: `deglu embed` requires --new-version, or another output"
            )
        return work_left(job, listing, self.cutting), "; ".join(notes)

    def doubt(self, former: pa.Table, now: pa.Table) -> str:
        """Why so many assets of the version before cannot be gone or changed by intent; empty where they may be."""
        gone, changed, before = num_gone(former, now), num_changed(former, now), many(former.num_rows, "asset")
        if gone > self.spec.max_gone_fraction * former.num_rows:
            return (
                f"{gone} of {before} of the current version are no longer in the inputs: is a mount missing? If they"
                " were deleted for good: --set max_gone_fraction=1"
            )
        if changed >= LEAST_CHANGED and changed > self.spec.max_changed_fraction * former.num_rows:
            return (
                f"{changed} of {before} of the current version have other content, size or time, and would be embedded"
                " again: are the inputs a copy without the times of the files, or others? If they changed:"
                " --set max_changed_fraction=1"
            )
        return ""

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
    refuse_long_speech(model, spec.segment)
    cutting = Cutting(spec.segment, spec.passage, words_of(model.spec.text.name).digest, spec.repeats)
    return Preparation(spec, absolute(spec.output), cutting, model)
