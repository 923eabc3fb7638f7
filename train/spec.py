"""What a training is: the encoder to be made, the speech and texts it learns from, and how long it learns."""

from typing import Literal

from pydantic import Field

from embed.model.spec import EncoderSpec
from embed.spec import Spec, speed_only


class SourceSpec(Spec):
    """Recorded prompts with their texts, fetched by this machine's package manager."""

    name: Literal["asterisk", "tuxpaint"]
    langs: tuple[str, ...] = Field(description="Languages of the speech")


class TrainSpec(Spec):
    """`deglu train`.  The global batch is the same whatever the number of workers."""

    strategy: Literal["late-fusion"] = "late-fusion"
    encoder: EncoderSpec
    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    target_langs: tuple[str, ...] = Field(description="Languages of the texts that speech is drawn to, beside its own")
    manuals: bool = Field(
        True, description="Fit the nesting transform on documentation too, so that it is domain-mixed"
    )
    output: str = Field(description="Folder of the model directory that is made")
    epochs: int = Field(12, ge=1)
    batch: int = Field(64, ge=2, description="Clips per step over all workers; the candidates are all training texts")
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(50, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    temperature: float = Field(0.05, gt=0)
    distillation: float = Field(5.0, ge=0, description="Weight of 1 - cosine to the transcript's own vector")
    in_batch: float = Field(
        default=1.0, ge=0, description="Weight of the softmax over the batch's speech, for speech as a document"
    )
    time_mask: float = Field(0.1, ge=0, lt=0.5, description="Share of a clip's frames hidden at random, at most")
    speeds: tuple[float, ...] = Field((1.0,), min_length=1, description="Speeds at which clips are heard, one an epoch")
    ridge: tuple[float, ...] = Field((1.0, 10.0, 100.0, 1000.0), description="Strengths tried on dev for the baseline")
    seed: int = 0
    workers: int = speed_only(2, "Data-parallel workers", ge=1)
    gpu: bool = speed_only(False, "One GPU a worker, nccl between them; gloo on CPUs otherwise")
    work: str = speed_only("", "Folder for frozen features and targets; the cache folder where empty")
