"""Levels of changes: a table of the changes' names with their units, from mild to severe.

Names of noises are those of MSEB's environments (background speech, media, traffic).  Specs are validated by this
table, so it loads no sound.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Levels:
    """The levels of a change; `neutral` changes nothing, and is a point of its curve where it is finite."""

    levels: tuple[float, ...]
    unit: str  # what a level is
    axis: str  # label of a plot
    licence: str  # of the sound that is added, or how it is made
    neutral: float | None = None
    lowest: float = 0.0
    highest: float = 1e9

    def allows(self, level: float) -> bool:
        return self.lowest <= level <= self.highest


def _noise(licence: str) -> Levels:
    return Levels(
        (20.0, 10.0, 5.0, 0.0), "decibels from -20 to 60", "speech above noise, dB", licence, lowest=-20.0, highest=60.0
    )


LEVELS: dict[str, Levels] = {
    "background-speech": _noise("six other recordings of the task, under their licence"),
    "media": _noise("music, generated here"),
    "traffic": _noise("engines and passing cars, generated here"),
    "gsm": Levels((8.0,), "8, the rate in kHz", "kHz", "GSM 06.10 full rate, coded and decoded", None, 8.0, 8.0),
    "speed": Levels((0.8, 0.9, 1.1, 1.25), "factors from 0.5 to 2", "speed", "resampled, pitch too", 1.0, 0.5, 2.0),
    "clipping": Levels(
        (6.0, 12.0, 18.0, 24.0), "decibels from 0 to 60", "peak above full scale, dB", "peaks cut off", 0.0, 0.0, 60.0
    ),
    "reverberation": Levels(
        (0.3, 0.6, 1.0), "seconds from 0 to 5", "seconds of echo", "simulated impulse response", 0.0, 0.0, 5.0
    ),
}
