"""What a model is made of, by name: the towers, the fusion between them, the widths that are valid."""

from typing import Literal

from pydantic import Field, model_validator

from embed.base_spec import Spec

# In which arithmetic towers run; `auto` is bfloat16 where the hardware has it.
Precision = Literal["auto", "float32", "bfloat16"]


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
    members: int = Field(
        1,
        ge=1,
        description="Fusions side by side, trained apart with seeds in a row; speech is the mean of their vectors",
    )


class HeadSpec(Spec):
    """Speech to its vector without the text tower: the dual encoder's side of speech, and ridge.

    Dual: attention pooling, a hidden layer, D values whose prefixes are trained.  Ridge: mean pooling, linear.
    """

    frame_pool: int = Field(1, ge=1, description="Neighbouring frames averaged before anything else")
    pooling: Literal["attention", "mean"] = "attention"
    queries: int = Field(4, ge=1, description="Learned queries of the attention; their findings are concatenated")
    hidden: int = Field(0, ge=0, description="Width of a hidden layer behind the pooling; 0 is none")
    independent: bool = Field(
        False, description="One output a dim, as in the paper's dual: no valid prefixes, so evaluated only, never used"
    )


class LoraSpec(Spec):
    """Low-rank adapters (peft) on a tower's linear layers."""

    rank: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    targets: tuple[str, ...] = Field(("query", "value"), description="Ends of the names of the layers, e.g. q_proj")


class AdaptSpec(Spec):
    """What of the towers is trained too.  Texts keep the frozen tower: its adapters work for speech alone."""

    text: LoraSpec | None = None
    speech: LoraSpec | None = None
    unfreeze: int = Field(default=0, ge=0, description="The last so many layers of the speech tower, whole")

    @property
    def speech_trained(self) -> bool:
        return self.speech is not None or self.unfreeze > 0


class EncoderSpec(Spec):
    """A whole encoder.  Without `speech` it encodes text alone; speech goes through `fusion` or through `head`."""

    text: TextTowerSpec
    speech: SpeechTowerSpec | None = None
    fusion: FusionSpec | None = None
    head: HeadSpec | None = None
    adapt: AdaptSpec = AdaptSpec()
    transform: bool = Field(False, description="Centre and rotate, for towers that were not trained as Matryoshka")
    dims: tuple[int, ...] = Field(description="Valid widths, descending; the first is the tower's own")

    @model_validator(mode="after")
    def _consistent(self) -> "EncoderSpec":
        if list(self.dims) != sorted(set(self.dims), reverse=True) or not self.dims or self.dims[-1] < 1:
            raise ValueError("dims must be positive and descending, e.g. [384, 256, 128]")
        if (self.speech is not None) != ((self.fusion is None) != (self.head is None)):
            raise ValueError("speech goes with fusion or with head, one of them; give none of the three for text alone")
        if self.adapt != AdaptSpec() and self.fusion is not None and self.fusion.members > 1:
            raise ValueError("fusion.members goes with frozen towers: adapters and layers of their own have one fusion")
        if self.adapt != AdaptSpec() and self.fusion is None:
            raise ValueError("adapt goes with fusion: only there are the towers trained for speech")
        return self
