"""Amount of work, to do or done: units, seconds of sound, bytes of text.

Separate from the accounting, because the command's progress counts amounts and starts without pyarrow.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """Units, seconds of sound and bytes of text: of a plan, or done."""

    units: int = 0
    sound_s: float = 0.0
    text_bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        sound_s = round(self.sound_s + other.sound_s, 3)
        return Amount(self.units + other.units, sound_s, self.text_bytes + other.text_bytes)

    def __sub__(self, other: "Amount") -> "Amount":
        sound_s = round(self.sound_s - other.sound_s, 3)
        return Amount(self.units - other.units, sound_s, self.text_bytes - other.text_bytes)
