"""Specs of `deglu evaluate`: the model, the tasks, the systems it is compared to, and the gates it must reach."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, ValidationInfo, field_validator, model_validator

from embed.base_spec import Spec, speed_only, where_set
from evaluate.intents.spec import IntentSpec
from evaluate.robustness.spec import RobustnessSpec
from evaluate.systems import SystemName
from train.curate.sources.table import PromptsName

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Direction = Literal["speech-to-text", "text-to-speech", "text-to-text", "speech-to-speech"]


class TaskSpec(Spec):
    """Questions of one kind to a collection of one kind: of a built-in source of recorded prompts, or of a benchmark.

    >>> from evaluate.spec import TaskSpec
    >>> TaskSpec(benchmark="/data/radio.csv", query_lang="wo", document_lang="fr", part="test").name
    'radio test speech-to-text wo->fr'
    """

    source: PromptsName | None = Field(default=None, description="a built-in source of recorded prompts")
    speech_lang: Language | None = Field(default=None, description="of a source: language of the recordings")
    text_lang: Language | None = Field(default=None, description="of a source: language of the texts")
    benchmark: str | None = where_set(
        None,
        "in place of a source: a folder with corpus.jsonl, queries.jsonl and qrels/, or a manifest of recordings with"
        " texts (.jsonl, .csv, .tsv, .parquet)",
        min_length=1,
    )
    query_lang: str | None = where_set(None, "of a benchmark: language of the questions; null is all")
    document_lang: str | None = where_set(None, "of a benchmark: language of the documents; null is all")
    label: str | None = where_set(None, "of a benchmark: its name in reports; null is the folder's or file's")
    direction: Direction = Field(default="speech-to-text", description="modalities of questions and collection")
    part: Literal["test", "dev"] = Field(
        default="dev", description="dev for all choices; test is scored once, at release"
    )

    @property
    def name(self) -> str:
        """Name in reports and gates: `asterisk dev fr->en`, query language first; with `typed` for text queries."""
        if self.benchmark is not None:
            langs = f" {self.query_lang or '*'}->{self.document_lang or '*'}"
            asked = langs if self.query_lang or self.document_lang else ""
            return f"{self.label or benchmark_name(self.benchmark)} {self.part} {self.direction}{asked}"
        spoken = self.direction == "speech-to-text"
        first, second = (self.speech_lang, self.text_lang) if spoken else (self.text_lang, self.speech_lang)
        return f"{self.source} {self.part} {'' if spoken else 'typed '}{first}->{second}"

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        of_source = {"speech_lang": self.speech_lang, "text_lang": self.text_lang}
        of_benchmark = {"query_lang": self.query_lang, "document_lang": self.document_lang, "label": self.label}
        if (self.source is None) == (self.benchmark is None):
            raise ValueError("give either `source`, a built-in one, or `benchmark`, a folder or a manifest")
        wrong = of_benchmark if self.source is not None else of_source
        if given := [name for name, value in wrong.items() if value is not None]:
            kind = "a benchmark" if self.source is not None else "a source"
            raise ValueError(f"{', '.join(given)} belongs to a task with {kind}")
        if self.source is not None:
            if missing := [name for name, value in of_source.items() if value is None]:
                raise ValueError(f"a task with a source requires {' and '.join(missing)}")
            if self.direction not in ("speech-to-text", "text-to-speech"):
                raise ValueError(f"{self.direction} requires a benchmark: a source is asked across modalities")
        return self


def benchmark_name(url: str) -> str:
    """The last part of a url, without the endings of a file."""
    return url.rstrip("/").rpartition("/")[2].partition(".")[0] or url


class GateSpec(Spec):
    """The mean that a system must reach; otherwise the command ends with exit code 4."""

    task: str = Field(description="a task by its name, e.g. `asterisk dev fr->en`")
    system: SystemName = "late-fusion"
    measure: Literal["ndcg@10", "recall@10"] = "recall@10"
    dim: PositiveInt | None = Field(default=None, description="width of the vectors; null is the full width")
    at_least: float = Field(ge=0, le=1, description="the mean over queries, not the interval's low end")


class RecogniserSpec(Spec):
    """The recogniser whose transcripts the cascade and the hybrid use."""

    asr: str | None = Field(
        default=None, description="name of a speech recogniser; null is the hybrid's own, or packaged:whisper-base"
    )
    language: Literal["given", "detected"] = Field(
        default="given", description="given: the recogniser gets the recording's language, where it supports it"
    )
    weight: float | None = Field(
        default=None, ge=0, description="of the transcript's vector in `hybrid`; null is the hybrid model's own"
    )
    hypotheses: int | None = Field(
        default=None,
        ge=1,
        le=16,
        description="number of likeliest transcripts whose vectors are averaged; null is the hybrid's own, or 1",
    )


class MeasureSpec(Spec):
    """All tasks for one model and the systems that are compared.

    >>> import deglu
    >>> task = {"source": "asterisk", "speech_lang": "fr", "text_lang": "en"}
    >>> deglu.MeasureSpec(model="demo", tasks=[task]).tasks[0].name
    'asterisk dev fr->en'
    """

    model: str = Field(min_length=1, description="name, folder or s3:// url of a model")
    tasks: tuple[TaskSpec, ...] = Field(default=(), description="none only where intents are measured")
    intents: tuple[IntentSpec, ...] = where_set((), "requests whose purpose is recognised from their vectors")
    robustness: RobustnessSpec | None = where_set(None, "tasks that are measured again on changed recordings")
    systems: tuple[SystemName, ...] = Field(default=("late-fusion", "ridge", "ceiling"), min_length=1)
    dual: str | None = Field(
        default=None,
        validate_default=True,
        min_length=1,
        description="model whose head is the system `dual`; of the same space",
    )
    other: str | None = Field(
        default=None,
        validate_default=True,
        min_length=1,
        description="another model, e.g. the previous one, as the system `other`, in its own space",
    )
    hearing: RecogniserSpec = RecogniserSpec()
    baseline: SystemName | None = Field(
        default=None, description="system that the others are compared to, query by query"
    )
    dims: tuple[PositiveInt, ...] | None = Field(
        default=None, min_length=1, description="widths of the vectors; null is the model's own"
    )
    draws: int = Field(default=2000, ge=100, description="bootstrap draws of an interval")
    seed: int = Field(default=0, ge=0)
    keep: bool = speed_only(
        True, "keep the vectors of texts and recordings in the cache folder of this machine, for the next report"
    )
    play: bool = speed_only(
        False, "put recordings of questions found and missed into report.html; set it where they may be played"
    )

    @field_validator("tasks")
    @classmethod
    def _each_once(cls, tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
        names = [task.name for task in tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice; remove one, or give a benchmark another `label`")
        return tasks

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if not self.tasks and not self.intents:
            raise ValueError("nothing is measured; give `tasks`, `intents` or both")
        names = [one.name for one in self.intents]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"intents: {', '.join(twice)} is listed twice; remove one, or give it another `label`")
        return self

    @field_validator("dual", "other")
    @classmethod
    def _has_its_system(cls, model: str | None, info: ValidationInfo) -> str | None:
        name = info.field_name
        if (model is not None) != (name in info.data.get("systems", ())):
            raise ValueError(f"the system `{name}` requires its model, and the model its system: give both or neither")
        return model

    @field_validator("baseline")
    @classmethod
    def _is_measured(cls, baseline: SystemName | None, info: ValidationInfo) -> SystemName | None:
        if baseline is not None and baseline not in info.data.get("systems", (baseline,)):
            raise ValueError("not among the systems; add it to systems, or set baseline to null")
        return baseline


class EvaluateSpec(MeasureSpec):
    """Spec of `deglu evaluate`: the measurement, the gates, and the folder of the report."""

    gates: tuple[GateSpec, ...] = ()
    output: str = speed_only(
        ..., "folder or s3:// prefix of report.html, report.json, report.md, plots and runs", min_length=1
    )

    @field_validator("gates")
    @classmethod
    def _are_measured(cls, gates: tuple[GateSpec, ...], info: ValidationInfo) -> tuple[GateSpec, ...]:
        """Refuses a gate whose task, system or dim is not measured."""
        tasks, systems, dims = (info.data.get(name) for name in ("tasks", "systems", "dims"))
        for gate in gates:
            if tasks is not None and gate.task not in (names := [task.name for task in tasks]):
                raise ValueError(f"no task is called {gate.task!r}; give one of: {', '.join(names)}")
            if systems is not None and gate.system not in systems:
                raise ValueError(f"a gate on {gate.system} requires it among the systems")
            if gate.dim is not None and dims is not None and gate.dim not in dims:
                raise ValueError(f"a gate on dim {gate.dim} requires it among the dims")
        return gates
