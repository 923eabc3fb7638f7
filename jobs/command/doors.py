"""Registry of the verbs that take a spec: the addresses of spec class and function.

Both are imported by name when the verb runs, so that `deglu --help` loads no torch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from embed.base_spec import Spec, read_yaml
from embed.errors import SpecError
from jobs.command.output import Plain, Result, as_result, resolved
from jobs.command.progress import Progress, note_if_slow


@dataclass(frozen=True)
class Door:
    """`module:name` of a verb's spec class and of its function."""

    spec: str
    run: str
    reports: bool = False  # the function is called with (spec, progress), not (spec) alone
    left: str = ""  # `module:name` of the function that computes, for --dry-run, the work that is left


LEFT, FAILED = "jobs.planning.left:embedding_left", "jobs.planning.left:retry_left"
DOORS = {
    "train": Door("train.spec:TrainSpec", "jobs.training.train_model:train_model", reports=True),
    "embed": Door("embed.spec:EmbedSpec", "jobs.embedding.embed_archive:embed_archive", reports=True, left=LEFT),
    "retry": Door("embed.spec:EmbedSpec", "jobs.embedding.retry_failures:retry_failures", reports=True, left=FAILED),
    "plan": Door("embed.spec:EmbedSpec", "jobs.planning.plan_archive:plan_archive", reports=True),
    "index": Door("index.spec:IndexSpec", "jobs.indexing.build_index:build_index", reports=True),
    "evaluate": Door("evaluate.spec:EvaluateSpec", "jobs.evaluation.evaluate_model:evaluate_model", reports=True),
}


# Fields that only the specs of a verb have; one of them is in each.
OWN_FIELDS = {"train": ("encoder",), "embed": ("inputs",), "index": ("vectors",), "evaluate": ("tasks", "intents")}


def spec_class(verb: str) -> type[Spec]:
    """The spec class of a verb in DOORS."""
    found: type[Spec] = named(DOORS[verb].spec)
    return found


def load_spec(verb: str, path: str, overrides: Iterable[str] = ()) -> Spec:
    """The verb's spec from a YAML file.  Raises SpecError with field, value and cure."""
    return spec_class(verb).load(path, overrides)


def verb_of(path: str) -> str:
    """The verb whose spec a YAML file is, by a field that only its specs have.  SpecError where it is none."""
    fields = read_yaml(path)
    found = next((verb for verb, own in OWN_FIELDS.items() if any(one in fields for one in own)), None)
    if found is None:
        known = ", ".join(one for own in OWN_FIELDS.values() for one in own)
        raise SpecError(f"{path}: no spec of a job: it has none of the fields {known}")
    return found


def is_training(path: str) -> bool:
    """Whether a YAML file is a spec of `deglu train`: alone it describes an encoder.  SpecError where it is no spec."""
    fields = read_yaml(path)
    return any(one in fields for one in OWN_FIELDS["train"])


def run_verb(verb: str, spec: Spec, progress: Progress, **options: Any) -> Result:
    """Run the verb's function on its spec; `options` concern this run and not the identity of the result."""
    door = DOORS[verb]
    with note_if_slow(progress, "starting: loading libraries"):
        function: Callable[..., Result | Mapping[str, Any]] = named(door.run)
    return as_result(function(spec, progress, **options) if door.reports else function(spec, **options))


def dry_result(verb: str, spec: Spec, progress: Progress, **options: Any) -> Result:
    """The spec with its defaults; for a verb that resumes, also the work that is left with these options."""
    shown, door = resolved(verb, spec), DOORS[verb]
    if not door.left:
        return shown
    left: Plain = named(door.left)(spec, progress, **options)
    comments = "\n".join(f"# {line}".rstrip() for line in left.text().splitlines())
    return Plain({**shown.values, **left.values}, f"{shown.text()}\n{comments}")


def named(address: str) -> Any:
    """The object at `module:name`."""
    module, _, name = address.partition(":")
    return getattr(import_module(module), name)
