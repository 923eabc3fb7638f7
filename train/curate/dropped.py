"""Dropped examples: each with its reason, counted by reason."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

# Reasons of the split; they name no file, so that they can be counted.
HELD_OUT_TEXT, IN_TWO_PARTS = "its text is in dev or test", "its texts belong to two parts of the split"


@dataclass(frozen=True)
class Dropped:
    """Name of an example that is not used, and the reason."""

    name: str
    reason: str


def count_reasons(dropped: Iterable[Dropped]) -> dict[str, int]:
    """Reason -> number of examples, the most frequent first."""
    return dict(Counter(one.reason for one in dropped).most_common())
