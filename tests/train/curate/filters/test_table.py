"""Filters applied: the first reason counts, and every dropped clip has one."""

from dataclasses import dataclass

from train.curate.clip import Clip
from train.curate.dropped import Dropped
from train.curate.filters.recordings import RecordingFilter
from train.curate.filters.table import divide, drop_reasons, training_filters

CLIPS = [Clip("own", f"own:{text}", "en", text, f"{text}.wav", {"en": text}) for text in ("rain", "a goat", "no", "x")]


@dataclass(frozen=True)
class Shorter:
    """Drops texts of fewer letters."""

    settings: int
    reason: str

    def __call__(self, clip: Clip) -> str | None:
        return self.reason if len(clip.text) < self.settings else None


def test_the_first_filter_that_drops_a_clip_names_the_reason() -> None:
    reasons = drop_reasons(CLIPS, [Shorter(2, "one letter"), Shorter(4, "few letters")])
    assert reasons == {2: "few letters", 3: "one letter"}
    kept, dropped = divide(CLIPS, reasons)
    assert kept == CLIPS[:2]
    assert dropped == [Dropped("own:no (en)", "few letters"), Dropped("own:x (en)", "one letter")]


def test_a_training_reads_every_recording() -> None:
    assert training_filters(12.0) == (RecordingFilter(12.0),)
    assert [one.settings for one in training_filters(12.0)] == [12.0]
