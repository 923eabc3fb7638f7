"""Data of a training: lists, splits, filters and counts the examples; each one that is left out has its reason."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from embed.errors import SpecError
from embed.identity import digest
from embed.quantities import many
from embed.storage import store
from embed.storage.cache import cache_folder
from jobs.command.progress import Progress
from jobs.training.teacher import Lesson
from train.curate.clip import Clip
from train.curate.dropped import Dropped, count_reasons
from train.curate.filters.table import divide, drop_reasons, training_filters
from train.curate.speech_pairs import clips_by_part
from train.curate.text_pairs import pairs_by_part
from train.frozen.size import seconds, tower_shape
from train.spec import TrainSpec


@dataclass
class SynthesisProgress:
    """Progress of speech synthesis, source by source."""

    progress: Progress
    done: int = 0

    def update(self, done: int, total: int) -> None:
        if not done:
            self.progress.begin("synthetic speech", total, "clips")
            self.done = 0
        self.progress.advance(done - self.done)
        self.done = done

    def end(self) -> None:
        if self.done:
            self.progress.end()


@dataclass(frozen=True)
class TrainingData:
    """The lesson, with its counts for the user."""

    lesson: Lesson
    counts: dict[str, int]  # clips or pairs by part
    hours: dict[str, float]  # of speech, by part
    dropped: dict[str, int] = field(default_factory=dict)  # by reason


def training_data(spec: TrainSpec, progress: Progress, look_inside: bool = True) -> TrainingData:
    """Lists the sources; with `look_inside` opens every recording once.

    Raises SpecError or InputError where there are too few examples.
    """
    found = _texts(spec) if spec.strategy == "text" else _speech(spec, progress, look_inside)
    check_counts(spec, found.counts)
    return found


def check_counts(spec: TrainSpec, counts: dict[str, int]) -> None:
    """Raises SpecError where the examples do not fill one batch, or dev is empty."""
    train, dev = counts["train"], counts["dev"]
    if train < 2:
        raise SpecError(f"there are {train} training examples, at least 2 are required; add sources")
    if spec.strategy != "ridge" and train < spec.optimiser.batch:
        raise SpecError(
            f"optimiser.batch = {spec.optimiser.batch}, but there are {train} training examples; lower it to {train},"
            " or add sources"
        )
    if not dev:
        raise SpecError("no example falls into the dev part, which chooses the best weights; add sources")


def work_url(spec: TrainSpec) -> str:
    """Url below which frozen features and vectors, and by default the checkpoints, are kept."""
    return store.absolute(spec.work or str(cache_folder() / "train"))


def _texts(spec: TrainSpec) -> TrainingData:
    parts = pairs_by_part(spec.texts, cache_folder())
    lesson = Lesson((), (*parts.train, *parts.dev), len(parts.train), work_url(spec))
    counts = {"train": len(parts.train), "dev": len(parts.dev), "test": len(parts.test)}
    return TrainingData(lesson, counts, {}, count_reasons(parts.dropped))


def _speech(spec: TrainSpec, progress: Progress, look_inside: bool) -> TrainingData:
    synthesis = SynthesisProgress(progress)
    parts = clips_by_part(
        spec.sources, cache_folder(), spec.target_langs, spoken=look_inside, on_progress=synthesis.update
    )
    synthesis.end()
    train, dev, dropped = _by_kind(parts.train), _by_kind(parts.dev), list(parts.dropped)
    # Checked before all recordings are opened, which takes a while.
    check_counts(spec, {"train": len(train), "dev": len(dev)})
    if look_inside:
        (train, more), (dev, less) = _filtered(spec, train, progress), _filtered(spec, dev, progress)
        dropped += [*more, *less]
    lesson = Lesson((*train, *dev), (), len(train), work_url(spec))
    counts = {"train": len(train), "dev": len(dev), "test": len(parts.test)}
    hours = {name: round(sum(map(seconds, part)) / 3600, 3) for name, part in (("train", train), ("dev", dev))}
    return TrainingData(lesson, counts, hours, count_reasons(dropped))


def _by_kind(clips: Sequence[Clip]) -> list[Clip]:
    """Clips sorted by source and language, each in its own order, as their features are stored."""
    return sorted(clips, key=lambda clip: (clip.source, clip.lang))


def _filtered(spec: TrainSpec, clips: Sequence[Clip], progress: Progress) -> tuple[list[Clip], list[Dropped]]:
    """Kept and dropped clips; the results are stored below the work url, as opening all recordings takes a while."""
    assert spec.encoder.speech is not None
    filters = training_filters(tower_shape(spec.encoder.speech).longest_s)
    places = [[clip.uri, clip.offset_s, clip.duration_s, clip.size] for clip in clips]
    name = digest("checked", *(one.settings for one in filters), places).hex()
    url = store.join(work_url(spec), f"checked-{name}.json")
    if store.exists(url):
        reasons = {int(row): reason for row, reason in json.loads(store.read_bytes(url)).items()}
    else:
        progress.note(f"checking {many(len(clips), 'recording')}")
        reasons = drop_reasons(clips, filters)
        store.write_bytes(url, json.dumps(reasons).encode())
    return divide(clips, reasons)
