"""Systems that are compared: a table of the ways to make vectors of speech, by their names in a spec.

- late-fusion: the model's own vector of speech
- ridge: a linear map of the same frames' mean, kept next to the model; dual: another model's head
- cascade: the text tower's vector of a recogniser's transcript, or the mean of several; hybrid: late fusion plus
  the weighted cascade
- ceiling: the text tower's vector of the true transcript
- other: another model's own vector of speech, with its own texts; all other systems share one space

A new system is a line of `SYSTEMS`.  Specs are validated by this table, so it loads no torch: `evaluate.vectors` has
the vectors that systems share, `evaluate.models` their models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

if TYPE_CHECKING:  # torch takes seconds to import
    from evaluate.measures.by_dim import Rows
    from evaluate.vectors import Speech


@dataclass(frozen=True)
class Definition:
    """A system: its function from n clips to vectors [n, D], and the models it requires."""

    speech: Callable[["Speech"], "Rows"]
    requires: tuple[str, ...] = ()  # properties of `evaluate.models.Models`, loaded before the first task
    texts: str = "model"  # the property of `Models` that encodes the texts


CEILING = "ceiling"
TABLE_ORDER = (CEILING, "cascade", "late-fusion", "hybrid", "ridge", "dual", "other")  # of the first table

SYSTEMS = {
    "late-fusion": Definition(lambda speech: speech.late_fusion),
    "ridge": Definition(lambda speech: speech.ridge, requires=("ridge",)),
    "dual": Definition(lambda speech: speech.by_head, requires=("dual",)),
    "cascade": Definition(lambda speech: speech.transcribed, requires=("transcripts",)),
    "hybrid": Definition(lambda speech: speech.mixed, requires=("transcripts", "weight")),
    CEILING: Definition(lambda speech: speech.models.model.encode([clip.text for clip in speech.clips], speech.role)),
    "other": Definition(
        lambda speech: speech.models.other.encode(speech.waves, speech.role), requires=("other",), texts="other"
    ),
}


def _known(name: str) -> str:
    if name not in SYSTEMS:
        raise ValueError(f"no system has this name; give one of {', '.join(SYSTEMS)}")
    return name


SystemName = Annotated[str, AfterValidator(_known)]
