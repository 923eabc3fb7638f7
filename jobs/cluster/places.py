"""Places that a spec names, checked before it is sent to a cluster: urls, and folders that all machines have.

A job's working directory is deleted with the job, and a machine's own disk is missing on all others: what a job writes
there is lost, though the job succeeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embed.base_spec import Spec
from embed.errors import SpecError
from embed.model.folder import RELEASED
from embed.storage import store
from train.curate.benchmarks.table import NAMES

# Fields of the verbs' specs that hold a url or a path, that hold a model's name or folder, and a tower's.
_EMBED = ("inputs.url", "output")
PLACES = {
    "embed": _EMBED,
    "retry": _EMBED,
    "index": ("vectors", "output", "questions"),
    "train": ("sources.url", "texts.url", "output", "work", "checkpoints.url"),
    "evaluate": ("tasks.data", "output"),
}
BENCHMARKS = {"evaluate": ("tasks.benchmark",)}  # a url or a path, or a name
MODELS = {"embed": ("model",), "retry": ("model",), "evaluate": ("model", "dual", "other")}
TOWERS = {"train": ("encoder.text.name", "encoder.speech.name", "hybrid.asr"), "evaluate": ("hearing.asr",)}

Places = list[tuple[str, str]]  # a field and its value: ("inputs.0.url", "/data/archive")


def local_places(verb: str, spec: Spec) -> Places:
    """Paths of a spec on the machines' own disks.  SpecError for a relative one: it has no meaning in a job."""
    found = places_of(verb, spec)
    found += [one for one in fields_of(MODELS, verb, spec) if not _is_released(one[1])]
    found += [one for one in fields_of(TOWERS, verb, spec) if _is_folder(one[1])]
    found = [(field, value) for field, value in found if store.local_path(value) is not None]
    for field, value in found:
        if not Path(value).is_absolute():
            raise SpecError(
                f"{field} = {value}: a relative path is below the job's working directory, which is deleted with the"
                f" job; give an s3:// url, or the full path of a folder that every machine of the cluster has:"
                f" --set {field}=..."
            )
    if verb == "train" and not spec.model_dump()["work"]:
        found.append(("work", ""))
    return found


def places_of(verb: str, spec: Spec) -> Places:
    """Urls and paths of a spec; a benchmark that has a name is none."""
    named = fields_of(BENCHMARKS, verb, spec)
    return fields_of(PLACES, verb, spec) + [one for one in named if one[1] not in NAMES]


def fields_of(table: Mapping[str, Sequence[str]], verb: str, spec: Spec) -> Places:
    """The values of a spec in the fields of a table such as PLACES; empty ones are left out."""
    values = spec.model_dump()
    return [one for name in table.get(verb, ()) for one in _at(values, name)]


def check_shared(places: Places, shared: Sequence[str]) -> None:
    """SpecError for a place that is not below one of the `shared` folders."""
    for folder in shared:
        if not Path(folder).is_absolute():
            raise SpecError(f"--shared {folder}: give the full path of a folder that every machine of the cluster has")
    for field, value in places:
        if not value:
            raise SpecError(
                f"{field} is not set: it would be a cache folder of each machine's own; --set {field}=s3://bucket/prefix,"
                " or a folder that every machine of the cluster has"
            )
        if not any(Path(value).is_relative_to(folder) for folder in shared):
            raise SpecError(
                f"{field} = {value}: this is a path on each machine's own disk; give an s3:// url (--set {field}=...),"
                f" or, if every machine of the cluster has this folder at the same path, add --shared {_folder(value)}"
            )


def _at(value: Any, dotted: str, path: str = "") -> Iterator[tuple[str, str]]:
    """Values of a field, with the place of each in lists; empty ones are left out."""
    if isinstance(value, (list, tuple)):
        for number, one in enumerate(value):
            yield from _at(one, dotted, f"{path}.{number}")
    elif isinstance(value, Mapping) and dotted:
        name, _, rest = dotted.partition(".")
        yield from _at(value.get(name), rest, f"{path}.{name}")
    elif isinstance(value, str) and value and not dotted:
        yield path.removeprefix("."), value


def _is_released(model: str) -> bool:
    return not Path(model).is_absolute() and (RELEASED / model).is_dir()


def _is_folder(name: str) -> bool:
    """Whether a tower's name is a path, not a name on a hub, which looks like one."""
    return name.startswith(("/", ".", "~")) or Path(name).is_dir()


def _folder(value: str) -> str:
    parent = str(Path(value).parent)
    return value if parent == "/" else parent
