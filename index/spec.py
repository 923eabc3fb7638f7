"""The spec of an index, as `deglu index` reads it."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from embed.base_spec import Spec, speed_only
from embed.errors import SpecError
from index.faiss_library import Device

Ladder = Literal["auto", "exact", "coded"]


class IndexSpec(Spec):
    """The vectors to index, the place of the index, and the recall that it promises.

    >>> import deglu
    >>> deglu.IndexSpec(vectors="build/vectors", output="build/index").recall
    0.99
    """

    vectors: str = Field(description="Url of the vectors dataset.", min_length=1)
    version: int | None = Field(default=None, description="Version of the dataset; null is the newest.", ge=1)
    output: str = speed_only(..., "Url of the index: a folder or s3://bucket/prefix.", min_length=1)
    recall: float = Field(
        default=0.99,
        description="Share of the true ten best rows that a search finds by default (without recall or budget).",
        gt=0.5,
        le=1.0,
    )
    questions: str | None = Field(
        default=None,
        description="Url of JSON lines, as --batch of `deglu query` reads them, with real questions of users, on which "
        "the index is calibrated. Null: rows of the dataset, and short spans of its texts.",
        min_length=1,
    )
    ladder: Ladder = Field(
        default="auto", description="exact reads every row; coded uses lists and codes; auto: exact for small sets."
    )
    lists: int | None = Field(default=None, description="Lists that the rows are sorted into; null: by size.", ge=1)
    code_bits: float | None = Field(
        default=None,
        description="Bits per dimension of the codes: 0.5, 1, 1.33 or 2; null: chosen by trial on a sample of the "
        "rows, if code_dim is null and the sample has 5,000 rows; else 1.33, or 1 where 3 does not divide the width.",
    )
    code_dim: int | None = Field(
        default=None,
        description="Width of the codes, one of the dataset's dims; null: chosen by trial, as code_bits, else the "
        "widest that memory_gb allows.",
        ge=1,
    )
    memory_gb: float | None = Field(
        default=None, description="Limit in GB of the memory that answering uses; null: no limit.", gt=0
    )
    latency_ms: float | None = Field(
        default=None,
        description="Limit in ms of the search of one question; the build reports if it cannot be met.",
        gt=0,
    )
    workers: int | None = speed_only(None, "Tasks at the same time; null: one for each core of Ray.", ge=1)
    device: Device = speed_only("auto", "Where the index is searched: auto, cpu or gpu.")

    @field_validator("vectors", "output")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        return url.rstrip("/") or url

    @field_validator("code_bits")
    @classmethod
    def _known_bits(cls, bits: float | None) -> float | None:
        if bits is not None and bits not in CODE_BITS:
            raise ValueError(f"choose one of {', '.join(map(str, CODE_BITS))}")
        return bits

    @model_validator(mode="after")
    def _output_is_not_vectors(self) -> Self:
        if self.vectors == self.output:
            raise ValueError("output is the vectors dataset itself; give the index a url of its own")
        return self


# Dimensions that share one 4-bit code: 8, 4, 3, 2.
CODE_BITS = {0.5: 8, 1.0: 4, 1.33: 3, 2.0: 2}


def check_code_dim(spec: IndexSpec, dims: tuple[int, ...]) -> None:
    """Raises SpecError where the dataset does not declare the codes' width."""
    if spec.code_dim is not None and spec.code_dim not in dims:
        declared = ", ".join(str(dim) for dim in dims)
        raise SpecError(f"code_dim = {spec.code_dim}: {spec.vectors} declares the dims {declared}; choose one of these")
