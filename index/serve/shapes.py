"""Shapes of requests and answers, as the service's OpenAPI shows them."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

SegmentId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="32 hexadecimal digits, as a hit has it")]
Number = Annotated[float, Field(allow_inf_nan=False)]
EXAMPLE_ID = "0123456789abcdef0123456789abcdef"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ask(_Shape):
    """What is searched for: exactly one of a text, a vector and a segment."""

    text: str | None = Field(default=None, min_length=1, description="a question in words")
    vector: list[Number] | None = Field(default=None, min_length=1, description="a query vector at full width")
    segment_id: SegmentId | None = Field(default=None, description="a segment: more like this one")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(one is not None for one in (self.text, self.vector, self.segment_id)) != 1:
            raise ValueError("give exactly one of text, vector and segment_id; a recording is sent as a form")
        return self


class Request(_Shape):
    """How it is searched: the fields of `deglu.SearchRequest`, and which index."""

    index: str | None = Field(default=None, description="name of the index; the first one if none is given")
    k: PositiveInt = Field(default=10, description="number of hits")
    modality: Literal["any", "speech", "text"] = "any"
    dim: PositiveInt | None = Field(default=None, description="a declared width to rank at; full width by default")
    recall: float | None = Field(default=None, gt=0, le=1, description="share of the true best to find")
    budget_ms: float | None = Field(default=None, gt=0, description="in place of recall: time for each modality")
    where: str | None = Field(default=None, max_length=10_000, description="one SQL condition on the columns of a row")
    exclude: list[SegmentId] = Field(default=[], max_length=1_000, description="segments that may not be hits")
    explain: bool = Field(default=False, description="say what each stage read and cost")


class SearchBody(Ask, Request):
    """One question."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "the price of rice", "k": 5},
                {"text": "rain", "modality": "speech", "where": "lang = 'fr' and start_s < 3600", "explain": True},
                {"segment_id": EXAMPLE_ID, "k": 3},
            ]
        },
    )


class BatchBody(Request):
    """Several questions to one index, all searched the same way."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"questions": [{"text": "rain"}, {"text": "rice"}], "k": 3}]}
    )
    questions: list[Ask] = Field(min_length=1)


class Segment(_Shape):
    """A stretch of speech or a passage of text, with all that is needed to play or read it."""

    segment_id: SegmentId
    modality: Literal["speech", "text"]
    uri: str = Field(description="the recording or document, as its dataset names it")
    start_s: float | None = Field(description="speech: seconds from the start of the recording")
    end_s: float | None
    start: int | None = Field(description="text: characters from the start of the document")
    end: int | None
    item: str | None
    lang: str | None
    text: str | None
    title: str | None
    date: str | None
    metadata: dict[str, str]


class Hit(Segment):
    """One answer."""

    rank: int
    score: float = Field(description="cosine; of modality `any` calibrated, so that speech and text compare")
    margin: float = Field(description="score minus that of the last hit: how far it stands out from the others")


class Costs(_Shape):
    """Milliseconds of one request."""

    wait_ms: float = Field(description="until the encoder was free")
    encode_ms: float = Field(description="of the batch of questions that were encoded together")
    search_ms: float


class Answer(_Shape):
    """The hits of one question, best first."""

    index: str
    version: int
    hits: list[Hit]
    scale: Literal["calibrated", "cosine"] = Field(
        description="of scores and margins: calibrated, in deviations above what the best hits usually have; or cosines"
    )
    costs: Costs
    promised_recall: float | None = Field(description="share of the true best that is found; null under budget_ms")
    explain: dict[str, Any] | None = Field(default=None, description="stages, rows, bytes and depth, where asked for")


class BatchAnswer(_Shape):
    """An answer for each question, in their order."""

    answers: list[Answer]


class Peaks(_Shape):
    """Loudness of a stretch of sound, for a waveform."""

    start_s: float
    end_s: float
    peaks: list[float] = Field(description="the loudest sample, 0 to 1, of each equal part")


class IndexState(_Shape):
    """One index of the service."""

    name: str
    version: int
    rows: int = Field(description="rows that this caller may find")
    dims: list[int]
    modalities: list[str]
    languages: list[str]
    speech_questions: bool = Field(description="whether spoken questions are encoded here")
    plays: bool = Field(description="whether recordings can be played here")


class State(_Shape):
    """What this service has."""

    model: str
    indexes: list[IndexState]
