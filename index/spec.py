"""The settings of an index, as `deglu index` reads them."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from embed.errors import SpecError
from embed.spec import Spec, speed_only
from index.faiss_library import Device


class IndexSpec(Spec):
    """Which vectors become which index."""

    vectors: str = Field(description="Url of the vectors dataset.", min_length=1)
    version: int | None = Field(default=None, description="Version of the dataset; null is the newest.", ge=1)
    output: str = speed_only(..., "Url of the index: a folder or s3://bucket/prefix.", min_length=1)
    shortlist_dim: int = Field(
        default=128, description="Width of the prefix that the shortlist is made with: one of the dataset's dims.", ge=1
    )
    shortlist_depth: int = Field(default=200, description="Candidates per query and modality that are ranked.", ge=1)
    device: Device = speed_only("auto", "Where the shortlist of the calibration runs: auto, cpu or gpu.")

    @field_validator("vectors", "output")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        return url.rstrip("/") or url

    @model_validator(mode="after")
    def _index_beside_vectors(self) -> Self:
        if self.vectors == self.output:
            raise ValueError("output is the vectors dataset itself; give the index a place of its own")
        return self


def check_shortlist_dim(spec: IndexSpec, dims: tuple[int, ...]) -> None:
    """Raises SpecError where the dataset does not declare the shortlist's width."""
    if spec.shortlist_dim not in dims:
        declared = ", ".join(str(dim) for dim in dims)
        raise SpecError(
            f"shortlist_dim = {spec.shortlist_dim}: {spec.vectors} declares the dims {declared}; choose one of these"
        )
