"""Spec of a measurement of intents: the data, the languages and modalities of examples and test, shots and methods."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from embed.base_spec import Spec
from evaluate.systems import SystemName

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Modality = Literal["text", "speech"]
Method = Literal["zero-shot", "probe", "prototype", "knn"]
HOME_ASSISTANT = "home-assistant"


class IntentSpec(Spec):
    """Requests of one language and modality, classified with examples of the same or of another.

    >>> from evaluate.intents.spec import IntentSpec
    >>> IntentSpec(data="home-assistant", train_lang="en", test_lang="fr", modality="speech").name
    'home-assistant speech en->fr'
    """

    data: str = Field(
        min_length=1, description=f"{HOME_ASSISTANT}, or a manifest of requests (.jsonl, .csv, .tsv, .parquet)"
    )
    train_lang: Language = Field(description="language of the examples")
    test_lang: Language | None = Field(default=None, description="language of the test; null is that of the examples")
    modality: Modality = Field(default="text", description="of the test")
    train_modality: Modality | None = Field(default=None, description="of the examples; null is that of the test")
    label: str | None = Field(default=None, min_length=1, description="name in reports; null is the data's")
    shots: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 8, 16), min_length=1, description="numbers of examples of each label"
    )
    draws: int = Field(default=10, ge=10, description="times that the examples are drawn")
    methods: tuple[Method, ...] = Field(default=("zero-shot", "probe", "prototype", "knn"), min_length=1)
    neighbours: PositiveInt = Field(default=5, description="of `knn`; never more than there are shots")
    systems: tuple[SystemName, ...] | None = Field(
        default=None, min_length=1, description="systems that encode speech; null is those of the report"
    )
    voices: Literal["held-out", "any"] = Field(
        default="held-out",
        description="held-out: no voice is both in the examples and in the test, where voices are known",
    )
    few: Literal["refuse", "omit"] | None = Field(
        default=None,
        description="a label with too few requests is an error, or is left out and reported;"
        " null refuses it in a manifest",
    )
    most: PositiveInt | None = Field(
        default=32, description="requests of a label that examples are drawn from; null is all"
    )
    most_test: PositiveInt | None = Field(default=16, description="requests of a label in the test; null is all")

    @property
    def name(self) -> str:
        """Name in reports: data, modality and languages, those of the examples first."""
        test, train = self.modality, self.train_modality or self.modality
        modality = test if test == train else f"{train}->{test}"
        langs = self.train_lang if self.tested_lang == self.train_lang else f"{self.train_lang}->{self.tested_lang}"
        return f"{self.label or self.data.rstrip('/').rpartition('/')[2].partition('.')[0]} {modality} {langs}"

    @property
    def tested_lang(self) -> str:
        return self.test_lang or self.train_lang

    @property
    def sides(self) -> tuple[tuple[str, Modality], tuple[str, Modality]]:
        """Language and modality of the examples, and of the test."""
        return (self.train_lang, self.train_modality or self.modality), (self.tested_lang, self.modality)

    @model_validator(mode="after")
    def _has_enough(self) -> Self:
        if self.most is not None and self.most < max(self.shots):
            raise ValueError(
                f"most is {self.most}, fewer than the {max(self.shots)} shots; raise it, or set it to null"
            )
        return self
