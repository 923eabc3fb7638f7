"""Job of an output, what it was begun with: `jobs/00000001.json`, created once; later runs must agree with the newest.

Another model or another way of cutting is a new job in the same output, under the next number, when it is asked for.
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
ABSENT = "nothing"
JOBS = "jobs"


class Job(BaseModel):
    """The result-defining part of a spec, and what its vectors are.  Small and picklable: workers carry it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(exclude=True)  # where it is stored, so not part of what is stored
    number: int = 1
    format: int = 2  # of the directory
    defining: dict[str, Any]
    dims: tuple[int, ...]  # descending; dims[0] is the width of `vector`
    metric: str = METRIC
    space: str
    encoder: str
    model: str = ""  # the name it was begun with, for `deglu query` and for people; the fingerprints decide
    created: str
    nonce: str

    def encoded(self) -> bytes:
        """As it is stored."""
        return self.model_dump_json(indent=1).encode()

    def row_schema(self, **more: str) -> pa.Schema:
        """rows(D) with the file metadata that makes a data file explain itself."""
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
    """Begin an output, or go on with the newest job that stands there when it was begun by an equal spec.

    Raises SpecError, with the differences field by field, when that was begun differently; with `new_version` the
    next job is begun instead.  Of several that begin at once, one creates the job, and the others agree or are refused.
    """
    fresh = _fresh_job(url, defining, dims, space, encoder, model)
    while True:
        job, differences = _standing_or(fresh)
        if differences and not new_version:
            raise _refusal(job.url, differences)
        if job.nonce != fresh.nonce or numbered_log.create_entry(job.url, job, JOBS):
            return job


def next_job(
    url: str, defining: Mapping[str, Any], dims: Sequence[int], space: str, encoder: str, model: str = ""
) -> tuple[Job, list[str]]:
    """The job that `open_job` would go on with, else the one that it would begin; writes nothing.

    With the differences, field by field, from the newest job: where there are any, `open_job` requires `new_version`.
    """
    return _standing_or(_fresh_job(url, defining, dims, space, encoder, model))


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


def _standing_or(fresh: Job) -> tuple[Job, list[str]]:
    """The newest job where it was begun by an equal spec; else the fresh one under the next number, and why."""
    begun = numbers(fresh.url)
    if not begun:
        return fresh, []
    standing = read_job(fresh.url, begun[-1])
    differences = list(_differences(_agreed(standing), _agreed(fresh)))
    return (fresh.model_copy(update={"number": begun[-1] + 1}), differences) if differences else (standing, [])


def read_job(url: str, number: int | None = None) -> Job:
    """The newest job unless `number` says.  Raises InputError where it is not, StorageError where it is damaged."""
    url = absolute(url)
    begun = numbers(url)
    if not begun or number not in (None, *begun):
        what = f"job {number} of these" if begun else "output of `deglu embed`"
        raise InputError(f"{url}: no {what} stands here; check the address")
    place = numbered_log.entry_url(url, number or begun[-1], JOBS)
    try:
        return Job(url=url, **json.loads(read_bytes(place)))
    except (ValueError, TypeError, ValidationError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); choose another output") from error


def numbers(url: str) -> list[int]:
    """Of the jobs begun at `url`, ascending."""
    return numbered_log.numbers(url, JOBS)


def _refusal(url: str, differences: Sequence[str]) -> SpecError:
    return SpecError(
        f"{url} was begun with another spec: {'; '.join(differences)}; choose another output, or --new-version to embed"
        " into this one anew"
    )


def _agreed(job: Job) -> dict[str, Any]:
    """What must be equal, flat: `spec.cut.window_s` and the like."""
    flat = dict(_flat("spec", job.defining))
    return flat | {"dims": list(job.dims), "metric": job.metric, "space": job.space, "encoder": job.encoder}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value


def _differences(there: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    for name in sorted(there.keys() | here.keys()):
        one, other = (json.dumps(side[name]) if name in side else ABSENT for side in (there, here))
        if one != other:
            yield f"{name} is {one} there and {other} here"
