"""Specs of `deglu evaluate`: the model, the tasks, the systems it is compared to, and the gates it must reach."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from embed.base_spec import Spec, speed_only
from evaluate.systems import SystemName
from train.curate.sources.table import PromptsName

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Direction = Literal["speech-to-text", "text-to-speech"]


class TaskSpec(Spec):
    """Questions from one recorded source, asked of the same source's other modality."""

    source: PromptsName = Field(description="where the recordings and their texts come from")
    speech_lang: Language = Field(description="language of the recordings")
    text_lang: Language = Field(description="language of the texts")
    direction: Direction = Field(default="speech-to-text", description="what asks, and what is searched")
    part: Literal["test", "dev"] = Field(
        default="dev", description="choices are made on dev; test is scored once, at release"
    )

    @property
    def name(self) -> str:
        """As reports and gates call it: `asterisk dev fr->en`, query language first; `typed` where text asks."""
        spoken = self.direction == "speech-to-text"
        asked, searched = (self.speech_lang, self.text_lang) if spoken else (self.text_lang, self.speech_lang)
        return f"{self.source} {self.part} {'' if spoken else 'typed '}{asked}->{searched}"


class GateSpec(Spec):
    """The mean that a system must reach, or the command ends with exit code 4."""

    task: str = Field(description="a task by its name, e.g. `asterisk dev fr->en`")
    system: SystemName = "late-fusion"
    measure: Literal["ndcg@10", "recall@10"] = "recall@10"
    dim: PositiveInt | None = Field(
        default=None, description="width of the vectors; the full width where none is given"
    )
    at_least: float = Field(ge=0, le=1, description="the mean over queries, not the interval's low end")


class RecogniserSpec(Spec):
    """The recogniser whose transcripts the cascade and the hybrid read."""

    asr: str | None = Field(
        default=None, description="a speech recogniser by name; a hybrid's own, else packaged:whisper-base"
    )
    language: Literal["given", "detected"] = Field(
        default="given", description="a recogniser that knows the recording's language is given it, or detects it"
    )
    weight: float | None = Field(
        default=None, ge=0, description="of the transcript's vector in `hybrid`; a hybrid model has its own"
    )
    hypotheses: int | None = Field(
        default=None,
        ge=1,
        le=16,
        description="likeliest transcripts whose vectors are averaged, in both; a hybrid's own, else one",
    )


class MeasureSpec(Spec):
    """All tasks for one model and the systems next to it.

    >>> import deglu
    >>> task = {"source": "asterisk", "speech_lang": "fr", "text_lang": "en"}
    >>> deglu.MeasureSpec(model="demo", tasks=[task]).tasks[0].name
    'asterisk dev fr->en'
    """

    model: str = Field(min_length=1, description="a model by name, or its folder")
    tasks: tuple[TaskSpec, ...] = Field(min_length=1)
    systems: tuple[SystemName, ...] = Field(default=("late-fusion", "ridge", "ceiling"), min_length=1)
    dual: str | None = Field(
        default=None,
        validate_default=True,
        min_length=1,
        description="whose head is the system `dual`; of the same space",
    )
    other: str | None = Field(
        default=None,
        validate_default=True,
        min_length=1,
        description="another model, e.g. the one before, as the system `other`, in a space of its own",
    )
    hearing: RecogniserSpec = RecogniserSpec()
    baseline: SystemName | None = Field(default=None, description="what the others are compared to, query by query")
    dims: tuple[PositiveInt, ...] | None = Field(
        default=None, min_length=1, description="the model's own where none are given"
    )
    draws: int = Field(default=2000, ge=100, description="bootstrap draws of an interval")
    seed: int = Field(default=0, ge=0)

    @field_validator("tasks")
    @classmethod
    def _each_once(cls, tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
        names = [task.name for task in tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is there twice; remove one")
        return tasks

    @field_validator("dual", "other")
    @classmethod
    def _is_asked_for(cls, model: str | None, info: ValidationInfo) -> str | None:
        name = info.field_name
        if (model is not None) != (name in info.data.get("systems", ())):
            raise ValueError(f"the system `{name}` and its model go together: give both or neither")
        return model

    @field_validator("baseline")
    @classmethod
    def _is_measured(cls, baseline: SystemName | None, info: ValidationInfo) -> SystemName | None:
        if baseline is not None and baseline not in info.data.get("systems", (baseline,)):
            raise ValueError("not among the systems; add it there, or set baseline to null")
        return baseline


class EvaluateSpec(MeasureSpec):
    """`deglu evaluate`: what is measured, the gates, and where the report is written."""

    gates: tuple[GateSpec, ...] = ()
    output: str = speed_only(..., "folder of report.json, report.md and the plots", min_length=1)

    @field_validator("gates")
    @classmethod
    def _can_be_read(cls, gates: tuple[GateSpec, ...], info: ValidationInfo) -> tuple[GateSpec, ...]:
        """A gate on what is never measured would pass or fail for no reason."""
        tasks, systems, dims = (info.data.get(name) for name in ("tasks", "systems", "dims"))
        for gate in gates:
            if tasks is not None and gate.task not in (names := [task.name for task in tasks]):
                raise ValueError(f"no task is called {gate.task!r}; these are: {', '.join(names)}")
            if systems is not None and gate.system not in systems:
                raise ValueError(f"a gate on {gate.system} requires it among the systems")
            if gate.dim is not None and dims is not None and gate.dim not in dims:
                raise ValueError(f"a gate on dim {gate.dim} requires it among the dims")
        return gates
