"""What an output was begun with: `job.json`, created once; every later run must agree with it."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embed.errors import InputError, SpecError, StorageError
from embed.spec import canonical_json
from embed.store import absolute, create_exclusive, join, read_bytes
from embed.tables import rows, with_metadata

METRIC = "cosine"
ABSENT = "nothing"


class Job(BaseModel):
    """The result-defining part of a spec, and what its vectors are.  Small and picklable: workers carry it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(exclude=True)  # where it stands, so not part of what stands there
    format: int = 1  # of the directory
    defining: dict[str, Any]
    dims: tuple[int, ...]  # descending; dims[0] is the width of `vector`
    metric: str = METRIC
    space: str
    encoder: str
    model: str = ""  # the name it was begun with, for `deglu query` and for people; the fingerprints decide
    created: str
    nonce: str

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
    url: str, defining: Mapping[str, Any], dims: Sequence[int], space: str, encoder: str, model: str = ""
) -> Job:
    """Begin an output, or go on with one begun by an equal spec.

    Raises SpecError, with the differences field by field, when what stands at `url` was begun differently.
    """
    job = Job(
        url=absolute(url),
        defining=json.loads(canonical_json(dict(defining))),
        dims=tuple(dims),
        space=space,
        encoder=encoder,
        model=model,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        nonce=secrets.token_hex(8),
    )
    if create_exclusive(join(job.url, "job.json"), job.model_dump_json(indent=1).encode()):
        return job
    standing = read_job(job.url)
    differences = list(_differences(_agreed(standing), _agreed(job)))
    if differences:
        raise SpecError(f"{job.url} was begun with another spec: {'; '.join(differences)}; choose another output")
    return standing


def read_job(url: str) -> Job:
    """Raises InputError where there is no output, StorageError where job.json is damaged."""
    place = join(absolute(url), "job.json")
    try:
        return Job(url=absolute(url), **json.loads(read_bytes(place)))
    except InputError:
        raise InputError(f"{url}: no output of `deglu embed` stands here; check the address") from None
    except (ValueError, TypeError, ValidationError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); choose another output") from error


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
