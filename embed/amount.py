"""How much there is to do, or done: units, seconds of sound, bytes of text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """So much work: of a plan, or done."""

    units: int = 0
    sound_s: float = 0.0
    text_bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        sound_s = round(self.sound_s + other.sound_s, 3)
        return Amount(self.units + other.units, sound_s, self.text_bytes + other.text_bytes)
