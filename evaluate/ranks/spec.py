"""Spec of ranks and codes: which are measured, at how many bytes, and what they are fitted on."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt

from embed.base_spec import Spec
from evaluate.systems import SystemName

CODES = ("prefix", "pca", "svd", "random", "rotated", "int8", "binary", "product", "sparse")  # of evaluate.ranks.codes


def _known(name: str) -> str:
    if name not in CODES:
        raise ValueError(f"no code has this name; give one of {', '.join(CODES)}")
    return name


class RanksSpec(Spec):
    """Codes of the documents' vectors at equal bytes; questions keep their full precision, as in an index."""

    systems: tuple[SystemName, ...] | None = Field(
        default=None, min_length=1, description="systems whose vectors are coded; null is the first of the systems"
    )
    codes: tuple[Annotated[str, AfterValidator(_known)], ...] = Field(default=CODES, min_length=1)
    sizes: tuple[PositiveInt, ...] | None = Field(
        default=None, min_length=1, description="bytes of a vector; null is the full float16 vector, halved six times"
    )
    texts: str | None = Field(
        default=None,
        min_length=1,
        description="file of texts, one a line, that codes are fitted on; null is the task's documents that answer none"
        " of its questions",
    )
    projector: tuple[PositiveInt, ...] = Field(
        default=(), description="ranks of the fusion's projector; each encodes the recordings of a task once more"
    )
