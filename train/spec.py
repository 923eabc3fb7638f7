"""Spec of a training: the encoder to train, its data, its strategy and loss, and how long it runs.

The global batch, the order of clips and every random draw are the same whatever the number of workers.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt, model_validator

from embed.base_spec import Spec, speed_only
from embed.model.spec import EncoderSpec
from train.curate.sources.table import SpeechName, TextName

Strategy = Literal["late-fusion", "dual", "ridge", "text"]


class SourceSpec(Spec):
    """Speech with its texts: recorded prompts fetched by this machine's package manager, a manifest of your own, or
    synthetic speech of many short texts, which is synthesised on this machine and used only for training."""

    name: SpeechName
    langs: tuple[str, ...] = Field(default=(), description="Languages of the speech; all of a manifest's where empty")
    url: str = Field(default="", description="Path of the manifest: one JSON line or table row per clip")
    most: tuple[NonNegativeInt | None, ...] = Field(
        default=(None,),
        min_length=1,
        max_length=3,
        description="Synthetic: texts per language in a first, a second and a third voice; 0 is none, null all",
    )
    share: float | None = Field(
        default=None,
        gt=0,
        description="Clips of it per epoch, drawn again for each, as a share of the other sources' clips; null is all",
    )
    until: float = Field(default=1.0, gt=0, le=1, description="Share of the epochs, from the first, that use it")

    @model_validator(mode="after")
    def _named(self) -> "SourceSpec":
        if (self.name == "manifest") != bool(self.url):
            raise ValueError("`url` is required with `name: manifest`, and allowed only with it")
        if self.name != "manifest" and not self.langs:
            raise ValueError(f"{self.name} requires `langs`: list the languages to use, e.g. langs: [fr, en]")
        if self.name != "synthetic" and self.most != (None,):
            raise ValueError("`most` is allowed only with `name: synthetic`")
        return self


class TextSourceSpec(Spec):
    """Pairs of texts, for the text strategy: a query, its document, the task that joins them."""

    name: TextName
    langs: tuple[str, ...] = Field(default=(), description="Languages that are paired with each other, both ways")
    url: str = Field(default="", description="Path of the manifest: rows of query, document, [task, negatives, lang]")

    @model_validator(mode="after")
    def _named(self) -> "TextSourceSpec":
        if (self.name == "manifest") != bool(self.url):
            raise ValueError("`url` is required with `name: manifest`, and allowed only with it")
        return self


class ViewSpec(Spec):
    """One augmentation of every clip's wave, drawn once for each clip.

    Applied in this order: speed, reverberation, noise, codec.
    """

    speed: float = Field(default=1.0, gt=0.5, lt=2, description="Playback speed as a factor; it changes the pitch too")
    reverb_s: float = Field(
        default=0.0, ge=0, le=2, description="Time in which the echo of a simulated room falls by 60 dB; 0 is none"
    )
    noise: Literal["none", "white", "pink", "babble", "music"] = "none"
    snr_db: float = Field(default=10.0, description="Ratio of the speech to the noise")
    codec: Literal["none", "telephone"] = Field(
        default="none", description="telephone: resampled to 8 kHz and back, companded as on a telephone line"
    )


class FeatureSpec(Spec):
    """Frames of the frozen speech tower, and where they are kept."""

    cache: Literal["disk", "on-the-fly", "off"] = speed_only(
        "disk",
        "disk: all are computed before training; on-the-fly: at a clip's first use; off: never kept (required for a"
        " speech tower that is trained)",
    )
    dtype: Literal["float16", "int8"] = Field(default="float16", description="int8 is half as large, scaled by channel")
    views: tuple[ViewSpec, ...] = Field(
        default=(ViewSpec(),),
        min_length=1,
        description="Each epoch uses a clip in one of them; synthetic speech always in the first",
    )


class MaskSpec(Spec):
    """Augmentation of the frames, drawn again for each clip and epoch (SpecAugment's idea, on features)."""

    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of single values set to the mean")
    time: float = Field(default=0.0, ge=0, lt=0.5, description="Largest share of neighbouring frames to hide")
    channels: float = Field(
        default=0.0, ge=0, lt=0.5, description="Largest share of channels to hide over the whole clip"
    )


class LossSpec(Spec):
    """Loss: how far a vector is from its target."""

    kind: Literal["infonce", "regression"] = "infonce"
    dim_weights: tuple[float, ...] | None = Field(
        default=None, description="One for each of the encoder's dims; equal where null"
    )
    temperature: float = Field(default=0.05, gt=0)
    learn_temperature: bool = False
    margin: float | None = Field(
        default=None, ge=0, description="A candidate that scores above the positive by more is not used as a negative"
    )
    candidates: Literal["all", "batch"] = Field(
        default="all",
        description="Negatives of frozen texts: all training texts of the positive's language, or those of the batch",
    )
    reverse: float = Field(
        default=1.0, ge=0, description="Weight of the reverse direction: each text finds its own speech in the batch"
    )
    distillation: float = Field(default=5.0, ge=0, description="Weight of 1 - cosine to the transcript's own vector")


class OptimiserSpec(Spec):
    """AdamW with a linear warm-up, then half a cosine to 0."""

    epochs: int = Field(default=12, ge=1)
    batch: int = Field(default=64, ge=2, description="Pairs per step, over all workers")
    micro_batch: int = speed_only(
        0, "Pairs at a time in a worker: gradient caching keeps the loss of the batch exact; 0 is all at once", ge=0
    )
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=50, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    average: float = Field(
        default=0.0, ge=0, lt=1, description="Decay of a running mean of weights, published instead of them; 0 is none"
    )


class ValidationSpec(Spec):
    """Scoring on dev, and when it ends the training."""

    every_epochs: int = Field(default=1, ge=1)
    patience: int = Field(default=0, ge=0, description="Stop after so many scorings without a new best; 0 is never")


class CheckpointSpec(Spec):
    """Checkpoints: weights, optimiser and position in the data as safetensors; a file is complete or absent."""

    url: str = speed_only("", "Folder or s3:// prefix; below the work folder where empty")
    every_steps: int = speed_only(200, "Steps between two checkpoints; every scoring adds one", ge=1)
    keep: int = speed_only(2, "Number of best checkpoints that are kept, in addition to the newest", ge=1)


class HybridTuning(Spec):
    """The hybrid of the trained model: its vector plus the weighted vector of the recognised transcript."""

    asr: str = Field(default="packaged:whisper-base", description="A speech recogniser of `transformers`, by name")
    langs: tuple[str, ...] = Field(default=(), description="Languages it may recognise; all it knows where empty")
    weights: tuple[float, ...] = Field(
        default=(0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
        min_length=1,
        description="Weights of the transcript's vector to try on dev",
    )
    hypotheses: int = Field(
        default=5, ge=1, le=16, description="Number of likeliest transcripts of each wave; their vectors are averaged"
    )


class TrainSpec(Spec):
    """Spec of `deglu train`."""

    strategy: Strategy = "late-fusion"
    encoder: EncoderSpec
    sources: tuple[SourceSpec, ...] = Field(default=(), description="Speech with texts: late-fusion, dual, ridge")
    texts: tuple[TextSourceSpec, ...] = Field(default=(), description="Pairs of texts: the text strategy")
    target_langs: tuple[str, ...] = Field(
        default=(), description="Languages of the texts that speech is trained towards, in addition to its own"
    )
    manuals: bool = Field(
        default=True, description="Fit the nesting transform on documentation too, so that it is domain-mixed"
    )
    features: FeatureSpec = FeatureSpec()
    masks: MaskSpec = MaskSpec()
    loss: LossSpec = LossSpec()
    optimiser: OptimiserSpec = OptimiserSpec()
    validation: ValidationSpec = ValidationSpec()
    checkpoints: CheckpointSpec = CheckpointSpec()
    hybrid: HybridTuning | None = None
    train_layers: int | None = Field(
        default=None, ge=1, description="Text strategy: number of last layers that are trained; null is all"
    )
    ridge: tuple[float, ...] = Field(
        default=(1.0, 10.0, 100.0, 1000.0), min_length=1, description="Ridge strengths to try on dev"
    )
    output: str = Field(description="Folder or s3:// prefix where the model directory is written")
    seed: int = 0
    workers: int = speed_only(2, "Data-parallel workers", ge=1)
    fewest_workers: int | None = speed_only(
        None, "Continue with so few workers where others are lost; null waits for all", ge=1
    )
    gpu: bool = speed_only(False, "One GPU per worker with nccl between them; CPUs with gloo otherwise")
    work: str = speed_only("", "Folder or s3:// prefix for frozen features and targets; the cache folder where empty")

    @property
    def trainings(self) -> list["TrainSpec"]:
        """Separate trainings: this spec, or one per member of the fusion, each with its own seed and folders."""
        fusion = self.encoder.fusion
        if fusion is None or fusion.members == 1:
            return [self]
        single = self.encoder.model_copy(update={"fusion": fusion.model_copy(update={"members": 1})})
        shared = self.checkpoints

        def one(seed: int) -> "TrainSpec":
            url = f"{shared.url.rstrip('/')}/seed-{seed}"
            own = shared.model_copy(update={"url": url}) if shared.url else shared
            update = {"seed": seed, "output": f"{self.output}/seed-{seed}", "checkpoints": own}
            return self.model_copy(update={"encoder": single, **update})

        return [one(seed) for seed in range(self.seed, self.seed + fusion.members)]

    @model_validator(mode="after")
    def _fits_its_strategy(self) -> "TrainSpec":
        encoder = self.encoder
        if self.strategy == "text":
            if encoder.speech is not None:
                raise ValueError("strategy text trains a text tower: remove `speech` from `encoder`")
            if not self.texts:
                raise ValueError("strategy text requires `texts`: pairs of texts to learn from")
        else:
            part = "fusion" if self.strategy == "late-fusion" else "head"
            if encoder.speech is None or getattr(encoder, part) is None:
                raise ValueError(f"strategy {self.strategy} requires `speech` and `{part}` in `encoder`")
            if not self.sources:
                raise ValueError(f"strategy {self.strategy} requires `sources`: speech to learn from")
        weights = self.loss.dim_weights
        if weights is not None and len(weights) != len(encoder.dims):
            raise ValueError(f"loss.dim_weights requires one weight for each of the {len(encoder.dims)} dims")
        if encoder.adapt.speech_trained and self.features.cache != "off":
            raise ValueError("a speech tower that is trained has no frozen features: set features.cache to off")
        return self
