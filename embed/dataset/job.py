"""Job of an output, the spec it began with: `jobs/00000001.json`, created once; later runs must agree with the newest.

Another model or other rules of cutting are a new job in the same output, under the next number, on request.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embed.base_spec import canonical_json
from embed.errors import InputError, SpecError, StorageError
from embed.storage import numbered_log
from embed.storage.store import absolute, read_bytes
from embed.tables import rows, with_metadata

METRIC = "cosine"
ABSENT = "missing"
JOBS = "jobs"


class Job(BaseModel):
    """The result-defining part of a spec, and the properties of its vectors.  Small and picklable, for workers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(exclude=True)  # its location, so not stored in it
    number: int = 1
    format: int = 2  # version of the directory's format
    defining: dict[str, Any]
    dims: tuple[int, ...]  # descending; dims[0] is the width of `vector`
    metric: str = METRIC
    space: str
    encoder: str
    model: str = ""  # its name when the job began, for `deglu query` and for people; the fingerprints decide
    created: str
    nonce: str

    def encoded(self) -> bytes:
        """The stored bytes."""
        return numbered_log.sealed(self.model_dump(mode="json"))

    def row_schema(self, **more: str) -> pa.Schema:
        """rows(D) with file metadata that describes a data file."""
        values = {
            "space": self.space,
            "encoder": self.encoder,
            "dims": ",".join(map(str, self.dims)),
            "metric": self.metric,
        }
        return with_metadata(rows(self.dims[0]), {**values, **more})


def open_job(
    url: str,
    defining: Mapping[str, Any],
    dims: Sequence[int],
    space: str,
    encoder: str,
    model: str = "",
    new_version: bool = False,
) -> Job:
    """Begin an output, or continue its newest job if that has an equal spec.

    Raises SpecError, with the differences field by field, where its spec differs; with `new_version` the next job
    begins instead.  Of several that begin at once, one creates the job, and the others agree or are refused.
    """
    fresh = _fresh_job(url, defining, dims, space, encoder, model)
    while True:
        job, differences = _newest_or(fresh)
        if differences and not new_version:
            raise _refusal(job.url, differences)
        if job.nonce != fresh.nonce or numbered_log.create_entry(job.url, job, JOBS):
            return job


def next_job(
    url: str, defining: Mapping[str, Any], dims: Sequence[int], space: str, encoder: str, model: str = ""
) -> tuple[Job, list[str]]:
    """The job that `open_job` would continue, else the one that it would begin; writes nothing.

    Also the differences, field by field, from the newest job: where there are any, `open_job` requires `new_version`.
    """
    return _newest_or(_fresh_job(url, defining, dims, space, encoder, model))


def _fresh_job(url: str, defining: Mapping[str, Any], dims: Sequence[int], space: str, encoder: str, model: str) -> Job:
    return Job(
        url=absolute(url),
        defining=json.loads(canonical_json(dict(defining))),
        dims=tuple(dims),
        space=space,
        encoder=encoder,
        model=model,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        nonce=secrets.token_hex(8),
    )


def _newest_or(fresh: Job) -> tuple[Job, list[str]]:
    """The newest job where it has an equal spec; else the fresh one under the next number, and the differences."""
    begun = numbers(fresh.url)
    if not begun:
        return fresh, []
    newest = read_job(fresh.url, begun[-1])
    differences = list(_differences(_agreed(newest), _agreed(fresh)))
    return (fresh.model_copy(update={"number": begun[-1] + 1}), differences) if differences else (newest, [])


def read_job(url: str, number: int | None = None) -> Job:
    """The newest job, or job `number`.  Raises InputError where it is missing, StorageError where it is damaged."""
    url = absolute(url)
    begun = numbers(url)
    if not begun or number not in (None, *begun):
        what = f"job {number}" if begun else "output of `deglu embed`"
        raise InputError(f"{url}: there is no {what} here; check the address")
    place = numbered_log.entry_url(url, number or begun[-1], JOBS)
    try:
        return Job(url=url, **numbered_log.opened(read_bytes(place)))
    except (ValueError, TypeError, ValidationError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); choose another output") from error


def numbers(url: str) -> list[int]:
    """Numbers of the jobs at `url`, ascending."""
    return numbered_log.numbers(url, JOBS)


def _refusal(url: str, differences: Sequence[str]) -> SpecError:
    return SpecError(
        f"{url} was begun with another spec: {'; '.join(differences)}; choose another output, or embed into this one"
        " again with --new-version"
    )


def _agreed(job: Job) -> dict[str, Any]:
    """The values that must be equal, flat, e.g. `spec.segment.window_s`."""
    flat = dict(_flat("spec", job.defining))
    return flat | {"dims": list(job.dims), "metric": job.metric, "space": job.space, "encoder": job.encoder}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value


def _differences(stored: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in sorted(stored.keys() | new.keys()):
        one, other = (json.dumps(side[name]) if name in side else ABSENT for side in (stored, new))
        if one != other:
            yield f"{name} is {one} in the output and {other} in this spec"
