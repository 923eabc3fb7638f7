"""The settings of `deglu embed`: what goes in, how it is cut, which model, where the vectors go."""

from typing import Any, Literal

from pydantic import Field

from embed.inputs import InputSpec
from embed.passages import PassageSpec
from embed.segment import SegmentSpec
from embed.spec import Spec, speed_only


class EmbedSpec(Spec):
    """One archive or corpus, or several, into one vectors dataset."""

    inputs: tuple[InputSpec, ...] = Field(min_length=1, description="Files and folders, local or s3://")
    output: str = speed_only(..., "Url of the vectors dataset: a folder or s3://bucket/prefix", min_length=1)
    model: str = Field(default="demo", description="A released model or a model directory")
    segment: SegmentSpec = Field(default_factory=SegmentSpec, description="How speech is cut")
    passage: PassageSpec = Field(default_factory=PassageSpec, description="How text is cut")
    max_failed_fraction: float = speed_only(1.0, "Share of assets that may fail before the job does", ge=0, le=1)
    workers: int = speed_only(1, "Actors that hold the model", ge=1)
    device: Literal["auto", "cpu", "gpu"] = speed_only("auto", "Where the model runs; auto takes a GPU that Ray offers")

    def cutting(self) -> dict[str, Any]:
        """What defines the rows beside inputs and model: kept with the dataset, compared before anything is added."""
        return {"segment": self.segment.defining(), "passage": self.passage.defining()}
