"""Spec of `deglu embed`: inputs, rules for segments and passages, model, and output."""

from typing import Literal, Self

from pydantic import Field, model_validator

from embed.archive.inputs import InputSpec
from embed.base_spec import Spec, speed_only
from embed.model.spec import Precision
from embed.segmentation.passages import PassageSpec
from embed.segmentation.spans import SegmentSpec


class Rates(Spec):
    """Prices where the job will run, in your currency; `deglu plan` computes the cost from them."""

    worker_hour: float = Field(default=0.0, ge=0, description="Price of one worker for an hour.")
    put_per_1000: float = Field(default=0.0, ge=0, description="Price of a thousand PUT or LIST requests.")
    get_per_1000: float = Field(default=0.0, ge=0, description="Price of a thousand GET or HEAD requests.")
    gb_month: float = Field(default=0.0, ge=0, description="Price of storing a gigabyte of vectors for a month.")
    currency: str = Field(default="USD", description="Currency, printed after the sums.")


class EmbedSpec(Spec):
    """Settings of one job: one or more archives or corpora into one dataset of vectors.

    >>> import deglu
    >>> spec = deglu.EmbedSpec(inputs=[{"url": "archive"}], output="build/vectors", model="model")
    >>> spec.segment.mode, spec.workers
    ('hybrid', 1)
    """

    inputs: tuple[InputSpec, ...] = Field(
        min_length=1, description="Files, folders and feeds: local, s3:// or https://"
    )
    output: str = speed_only(..., "Url of the dataset of vectors: a folder or s3://bucket/prefix", min_length=1)
    model: str = Field(
        default="demo", description="A released model, or a model directory: a folder or s3://bucket/prefix"
    )
    segment: SegmentSpec = Field(default_factory=SegmentSpec, description="How speech is cut")
    passage: PassageSpec = Field(default_factory=PassageSpec, description="How text is cut")
    repeats: bool = speed_only(
        False, "Keep a fingerprint of each recording, so that `deglu repeats` can find jingles, spots and re-broadcasts"
    )
    max_failed_fraction: float = speed_only(1.0, "Share of assets that may fail; with more the job fails", ge=0, le=1)
    tolerate: Literal["exit 3", "exit 0"] = speed_only(
        "exit 3",
        "Exit code of a job that is complete with tolerated failures, as max_failed_fraction allows; exit 0 is for"
        " schedulers that repeat every job whose code is not 0",
    )
    workers: int = speed_only(1, "Number of actors that load the model", ge=1)
    precision: Precision = speed_only(
        "auto", "Precision of the towers; auto uses bfloat16 where the hardware has it, recorded with the run"
    )
    compile: bool = speed_only(
        False,
        "Compile the towers' layers by torch.compile: meant for GPUs, whose first pass then takes up to a minute; on a"
        " CPU it requires a C++ compiler",
    )
    cut_ahead: bool | None = speed_only(
        None, "Decode and cut in separate tasks ahead of the encoders; by default where a GPU encodes"
    )
    stall_s: float = speed_only(
        900.0, "Seconds without a finished unit after which the running units are treated as hung", gt=0
    )
    max_gone_fraction: float = speed_only(
        0.5,
        "Share of the previous version's assets that may be missing; more stops the job (a lost mount?)",
        ge=0,
        le=1,
    )
    max_changed_fraction: float = speed_only(
        0.5,
        "Share of the previous version's assets, if ten or more, that may have other content; more stops the job",
        ge=0,
        le=1,
    )
    rates: Rates = speed_only(Rates(), "Prices for the cost that `deglu plan` shows")
    device: Literal["auto", "cpu", "gpu"] = speed_only("auto", "Where the model runs; auto uses a GPU if Ray has one")

    @model_validator(mode="after")
    def _has_transcripts(self) -> Self:
        if self.segment.mode == "transcript" and all(one.transcripts == "apart" for one in self.inputs):
            raise ValueError("segment.mode = transcript: no input has transcripts; set `transcripts: joined` for one")
        return self
