"""Spec of `deglu embed`: inputs, rules of cutting, model, and the output."""

from typing import Literal

from pydantic import Field

from embed.archive.inputs import InputSpec
from embed.base_spec import Spec, speed_only
from embed.model.spec import Precision
from embed.segmentation.passages import PassageSpec
from embed.segmentation.spans import SegmentSpec


class Rates(Spec):
    """What things cost where the job will run, in a currency of your own; `deglu plan` multiplies them."""

    worker_hour: float = Field(default=0.0, ge=0, description="One worker for an hour.")
    put_per_1000: float = Field(default=0.0, ge=0, description="A thousand PUT or LIST requests.")
    get_per_1000: float = Field(default=0.0, ge=0, description="A thousand GET or HEAD requests.")
    gb_month: float = Field(default=0.0, ge=0, description="A gigabyte of vectors kept for a month.")
    currency: str = Field(default="USD", description="The name behind the sums.")


class EmbedSpec(Spec):
    """One archive or corpus, or several, into one vectors dataset.

    >>> import deglu
    >>> spec = deglu.EmbedSpec(inputs=[{"url": "archive"}], output="build/vectors", model="model")
    >>> spec.segment.mode, spec.workers
    ('hybrid', 1)
    """

    inputs: tuple[InputSpec, ...] = Field(min_length=1, description="Files and folders, local or s3://")
    output: str = speed_only(..., "Url of the vectors dataset: a folder or s3://bucket/prefix", min_length=1)
    model: str = Field(default="demo", description="A released model or a model directory")
    segment: SegmentSpec = Field(default_factory=SegmentSpec, description="How speech is cut")
    passage: PassageSpec = Field(default_factory=PassageSpec, description="How text is cut")
    max_failed_fraction: float = speed_only(1.0, "Share of assets that may fail before the job does", ge=0, le=1)
    workers: int = speed_only(1, "Actors that hold the model", ge=1)
    precision: Precision = speed_only(
        "auto", "Of the towers' arithmetic; auto takes bfloat16 where the hardware has it, recorded with the run"
    )
    cut_ahead: bool | None = speed_only(
        None, "Decode and cut by tasks ahead of the encoders; by default where a GPU encodes"
    )
    stall_s: float = speed_only(
        900.0, "Without one finished unit for so long, the units in hand are taken for hung", gt=0
    )
    max_gone_fraction: float = speed_only(
        0.5, "Share of the assets of the version before that may be gone; more looks like a lost mount", ge=0, le=1
    )
    rates: Rates = speed_only(Rates(), "For the price that `deglu plan` shows")
    device: Literal["auto", "cpu", "gpu"] = speed_only("auto", "Where the model runs; auto takes a GPU that Ray offers")
