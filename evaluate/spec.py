"""Specs of `deglu evaluate`: the model, the tasks, the systems it is compared to, and the gates it must reach."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, ValidationInfo, field_validator, model_validator

from embed.base_spec import Spec, speed_only, where_set
from evaluate.cost.spec import CostSpec
from evaluate.gates import EXAMPLE, GateText, read_gate
from evaluate.intents.spec import IntentSpec
from evaluate.measures.names import MEASURES, NDCG, measure_name
from evaluate.ranks.spec import RanksSpec
from evaluate.robustness.spec import RobustnessSpec
from evaluate.systems import CEILING, SystemName
from train.curate.benchmarks.table import NAMES, WITH_DATA

MeasureName = Annotated[str, AfterValidator(measure_name)]
Direction = Literal[
    "speech-to-text", "text-to-speech", "text-to-text", "speech-to-speech", "speech-to-any", "text-to-any"
]
FORMER = ("source", "speech_lang", "text_lang")  # fields of tasks until 2026-11-30


class TaskSpec(Spec):
    """Questions of one kind to a collection of one kind, both of a benchmark.

    >>> from evaluate.spec import TaskSpec
    >>> TaskSpec(benchmark="/data/radio.csv", query_lang="wo", document_lang="fr", part="test").name
    'radio test wo->fr'
    """

    benchmark: str = Field(
        min_length=1,
        description=f"{', '.join(NAMES)}; or a folder with corpus.jsonl, queries.jsonl and qrels/, or a manifest of"
        " recordings with texts (.jsonl, .csv, .tsv, .parquet)",
    )
    data: str | None = Field(
        default=None, min_length=1, description=f"folder with the Parquet files of {', '.join(WITH_DATA)}"
    )
    query_lang: str | None = Field(default=None, description="language of the questions; null is all")
    document_lang: str | None = Field(default=None, description="language of the documents; null is all")
    label: str | None = Field(default=None, description="its name in reports; null is the folder's or file's")
    direction: Direction = Field(default="speech-to-text", description="modalities of questions and collection")
    part: Literal["test", "dev"] = Field(
        default="dev", description="dev for all choices; test is scored once, at release"
    )

    @property
    def name(self) -> str:
        """Name in reports and gates: `asterisk dev fr->en`, query language first; with `typed` for text queries."""
        kind = {"speech-to-text": "", "text-to-speech": "typed"}.get(self.direction, self.direction)
        langs = (
            f"{self.query_lang or '*'}->{self.document_lang or '*'}" if self.query_lang or self.document_lang else ""
        )
        return " ".join(filter(None, (self.label or benchmark_name(self.benchmark), self.part, kind, langs)))

    @model_validator(mode="after")
    def _has_its_data(self) -> Self:
        if (self.data is None) == (self.benchmark in WITH_DATA):
            if self.data is None:
                raise ValueError(f"{self.benchmark} requires `data`: the folder of its Parquet files from the hub")
            raise ValueError(f"`data` is for {', '.join(WITH_DATA)}; another benchmark has its files by its own name")
        return self

    @model_validator(mode="before")
    @classmethod
    def _has_no_source(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and (old := [name for name in FORMER if name in values]):
            asked, searched = values.get("speech_lang", "fr"), values.get("text_lang", "en")
            if values.get("direction") == "text-to-speech":
                asked, searched = searched, asked
            fields = f"benchmark: {values.get('source', 'asterisk')}, query_lang: {asked}, document_lang: {searched}"
            raise ValueError(f"{', '.join(old)}: a task names a benchmark and its languages now; write {fields}")
        return values


def benchmark_name(url: str) -> str:
    """The last part of a url, without the endings of a file."""
    return url.rstrip("/").rpartition("/")[2].partition(".")[0] or url


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
    >>> task = {"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en"}
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
        default=None, description="system that the others are compared to, query by query; null is the ceiling"
    )
    dims: tuple[PositiveInt, ...] | None = Field(
        default=None, min_length=1, description="widths of the vectors; null is the model's own"
    )
    measures: tuple[MeasureName, ...] = Field(
        default=MEASURES, description="nDCG@k, R@k, RR@k, Success@k, k up to 100; nDCG@10 is always among them"
    )
    ranks: RanksSpec | None = Field(
        default=RanksSpec(), description="codes of the vectors at equal bytes, and ranks; null measures none"
    )
    cost: CostSpec | None = Field(
        default=None, description="what systems cost, by these rates; `{}` takes the default ones, null measures none"
    )
    draws: int = Field(default=2000, ge=100, description="bootstrap draws of an interval")
    seed: int = Field(default=0, ge=0)
    keep: bool = speed_only(
        True, "keep the vectors of texts and recordings in the cache folder of this machine, for the next report"
    )
    play: bool = speed_only(
        False, "put recordings of questions found and missed into report.html; set it where they may be played"
    )

    @property
    def compared_to(self) -> SystemName | None:
        """The baseline, or the ceiling; None where neither is measured, or nothing else."""
        return self.baseline or (CEILING if CEILING in self.systems and len(self.systems) > 1 else None)

    @field_validator("tasks")
    @classmethod
    def _each_once(cls, tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
        seen: dict[str, int] = {}
        for row, task in enumerate(tasks):
            if (first := seen.setdefault(task.name, row)) != row:
                both = f"tasks.{first} ({tasks[first].benchmark}) and tasks.{row} ({task.benchmark})"
                raise ValueError(f"{both} are both called {task.name!r}; remove one, or give one of them a `label`")
        return tasks

    @field_validator("ranks")
    @classmethod
    def _of_measured_systems(cls, ranks: RanksSpec | None, info: ValidationInfo) -> RanksSpec | None:
        systems = info.data.get("systems")
        if ranks is not None and systems is not None and (missing := sorted(set(ranks.systems or ()) - set(systems))):
            raise ValueError(
                f"{', '.join(missing)} in ranks.systems is not among the systems; add it, or remove it here"
            )
        return ranks

    @field_validator("measures")
    @classmethod
    def _with_ndcg(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((NDCG, *measures)))

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

    gates: tuple[GateText, ...] = Field(
        default=(), description=f"means that must be reached, else the exit code is 4, e.g. {EXAMPLE}"
    )
    output: str = speed_only(
        ..., "folder or s3:// prefix of report.html, report.json, report.md, plots and runs", min_length=1
    )

    @field_validator("gates")
    @classmethod
    def _are_measured(cls, gates: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuses a gate whose task, system or dim is not measured."""
        tasks, systems, dims = (info.data.get(name) for name in ("tasks", "systems", "dims"))
        for gate in map(read_gate, gates):
            if tasks is not None and gate.task not in (names := [task.name for task in tasks]):
                raise ValueError(f"{gate.text}: no task is called {gate.task!r}; give one of: {', '.join(names)}")
            if systems is not None and gate.system not in systems:
                raise ValueError(
                    f"{gate.text}: {gate.system} is not among the systems; add it there, or remove the gate"
                )
            if gate.measure not in info.data.get("measures", (gate.measure,)):
                raise ValueError(
                    f"{gate.text}: {gate.measure} is not among the measures; add it there, or remove the gate"
                )
            if gate.dim is not None and dims is not None and gate.dim not in dims:
                raise ValueError(f"{gate.text}: {gate.dim} is not among the dims; add it there, or remove the gate")
        return gates
