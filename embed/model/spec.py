"""Spec of a model: the towers by name, the fusion between them, the valid widths."""

from typing import Literal

from pydantic import Field, model_validator

from embed.base_spec import Spec

# Precision of the towers; `auto` is bfloat16 where the hardware has it.
Precision = Literal["auto", "float32", "bfloat16"]


class TextTowerSpec(Spec):
    """A frozen text encoder of `transformers`, its pooling and its prompts."""

    name: str = Field(description="A hub name, a folder, or packaged:multilingual-e5-small")
    pooling: Literal["last", "mean", "cls"] = Field(description="Positions that become the vector")
    query: str = Field("", description="Text before a query; {task} is replaced by the instruction")
    document: str = Field("", description="Text before a document")
    task: str = Field("", description="The instruction of queries that have none")
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
    output_map: bool = Field(False, description="A linear map after the text tower, started at identity")
    members: int = Field(
        1,
        ge=1,
        description="Number of fusions, trained separately with consecutive seeds; speech is the mean of their vectors",
    )


class HeadSpec(Spec):
    """Head: speech to its vector without the text tower, for the dual encoder and ridge.

    Dual: attention pooling, a hidden layer, D values whose prefixes are trained.  Ridge: mean pooling, linear.
    """

    frame_pool: int = Field(1, ge=1, description="Neighbouring frames averaged before anything else")
    pooling: Literal["attention", "mean"] = "attention"
    queries: int = Field(4, ge=1, description="Learned queries of the attention; their outputs are concatenated")
    hidden: int = Field(0, ge=0, description="Width of a hidden layer after the pooling; 0 is none")
    independent: bool = Field(
        False, description="One output per dim, as in the paper's dual: no valid prefixes, so only for evaluation"
    )


class LoraSpec(Spec):
    """Low-rank adapters (peft) on a tower's linear layers."""

    rank: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    targets: tuple[str, ...] = Field(("query", "value"), description="Ends of the names of the layers, e.g. q_proj")


class AdaptSpec(Spec):
    """Tower weights that are trained too.  Texts use the frozen tower: adapters work for speech only."""

    text: LoraSpec | None = None
    speech: LoraSpec | None = None
    unfreeze: int = Field(default=0, ge=0, description="Number of last layers of the speech tower to train completely")

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
    one_tower: bool = Field(
        False, description="One pretrained model encodes text and speech: both name it, and nothing is trained"
    )
    transform: bool = Field(False, description="Centre and rotate, for towers that were not trained as Matryoshka")
    dims: tuple[int, ...] = Field(description="Valid widths, descending; the first is the tower's own")

    @model_validator(mode="after")
    def _consistent(self) -> "EncoderSpec":
        if list(self.dims) != sorted(set(self.dims), reverse=True) or not self.dims or self.dims[-1] < 1:
            raise ValueError("dims must be positive and descending, e.g. [384, 256, 128]")
        parts = sum(part is not None for part in (self.fusion, self.head)) + int(self.one_tower)
        if self.one_tower:
            self._check_one_tower(parts)
        elif (self.speech is not None) != (parts == 1):
            raise ValueError("speech needs fusion or head, exactly one of them; give none of the three for text only")
        if self.adapt != AdaptSpec() and self.fusion is not None and self.fusion.members > 1:
            raise ValueError("fusion.members needs frozen towers: with adapt there is one fusion")
        if self.adapt != AdaptSpec() and self.fusion is None:
            raise ValueError("adapt needs fusion: only with it are the towers trained for speech")
        return self

    def _check_one_tower(self, parts: int) -> None:
        if parts > 1 or self.transform:
            raise ValueError("one_tower has neither fusion, head nor transform: leave these out")
        if self.speech is not None and self.speech.name != self.text.name:
            raise ValueError("one_tower: text and speech must name the same model")
