"""What a model is made of, by name: the towers, the fusion between them, the widths that are valid."""

from typing import Literal

from pydantic import Field, model_validator

from embed.spec import Spec


class TextTowerSpec(Spec):
    """A frozen text encoder of `transformers`, and how it is asked."""

    name: str = Field(description="A hub name, a folder, or packaged:multilingual-e5-small")
    pooling: Literal["last", "mean", "cls"] = Field(description="Which positions become the vector")
    query: str = Field("", description="Put before a query; {task} stands for the instruction")
    document: str = Field("", description="Put before a document")
    task: str = Field("", description="The instruction where a query comes without one")
    max_tokens: int = Field(512, ge=8, description="Longer texts are cut here, the end token kept")


class SpeechTowerSpec(Spec):
    """A frozen speech encoder of `transformers`: Whisper's encoder, HuBERT, wav2vec2, WavLM or w2v-BERT."""

    name: str = Field(description="A hub name, a folder, or packaged:whisper-base")
    layers: tuple[int, ...] | None = Field(
        None, description="Layers whose outputs are concatenated, from 1; all if null"
    )


class FusionSpec(Spec):
    """The trained part: concatenated frames in, input embeddings of the text tower out.

    The defaults are the paper's (arXiv 2602.19991 §2.2): one linear map, one strided convolution, nothing between.
    """

    width: int = Field(1024, ge=8, description="Channels after the linear map")
    frame_pool: int = Field(1, ge=1, description="Neighbouring frames averaged before anything else")
    strides: tuple[int, ...] = Field((2,), description="Strides of the convolutions, kernel equal to stride")
    activation: bool = Field(False, description="Layer norm and GELU after the linear map, GELU between convolutions")
    output_norm: bool = Field(False, description="Layer norm at the end, started at the spread of word embeddings")
    output_map: bool = Field(False, description="A linear map behind the text tower, started at identity")
    dropout: float = Field(0.0, ge=0, lt=1, description="On the frames, in training")


class EncoderSpec(Spec):
    """A whole encoder.  Without `speech` and `fusion` it encodes text alone."""

    text: TextTowerSpec
    speech: SpeechTowerSpec | None = None
    fusion: FusionSpec | None = None
    transform: bool = Field(False, description="Centre and rotate, for towers that were not trained as Matryoshka")
    dims: tuple[int, ...] = Field(description="Valid widths, descending; the first is the tower's own")

    @model_validator(mode="after")
    def _consistent(self) -> "EncoderSpec":
        if list(self.dims) != sorted(set(self.dims), reverse=True) or not self.dims or self.dims[-1] < 1:
            raise ValueError("dims must be positive and descending, e.g. [384, 256, 128]")
        if (self.speech is None) != (self.fusion is None):
            raise ValueError("speech and fusion come together: give both, or neither for text alone")
        return self
