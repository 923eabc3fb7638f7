"""Note of an export: `OUT/export.json`, from which dataset, version and width the vectors are, and how many."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from embed.errors import SpecError
from embed.storage.store import exists, join, listing, read_bytes, write_bytes

NAME = "export.json"


class ExportNote(BaseModel):
    """What an export is of; `rows` and `complete` are written at its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    version: int
    space: str
    encoder: str
    dims: tuple[int, ...]
    dim: int
    metric: str
    to: str
    where: str | None = None
    rows: int = 0
    complete: bool = False

    def settings(self) -> dict[str, Any]:
        """What must be equal for an export to go on."""
        return self.model_dump(mode="json", exclude={"rows", "complete"})


def begin(folder: str, note: ExportNote) -> None:
    """Write the note of a new export; an earlier one of the same settings goes on.

    Raises SpecError where the folder is of another export, or of something else.
    """
    url = join(folder, NAME)
    if not exists(url):
        if listing(folder):
            raise SpecError(f"{folder}: there are files here, and no {NAME}; name a new folder")
        write_bytes(url, _encoded(note))
        return
    try:
        former = ExportNote.model_validate_json(read_bytes(url))
    except ValidationError:
        raise SpecError(f"{url}: not the note of an export; name a new folder") from None
    old, new = former.settings(), note.settings()
    changed = [f"{key} was {old[key]!r}, now {new[key]!r}" for key in new if old[key] != new[key]]
    if changed:
        raise SpecError(f"{folder}: an export with other settings ({'; '.join(changed)}); name a new folder")


def complete(folder: str, note: ExportNote, rows: int) -> None:
    """Record that all rows are written."""
    write_bytes(join(folder, NAME), _encoded(note.model_copy(update={"rows": rows, "complete": True})))


def _encoded(note: ExportNote) -> bytes:
    return json.dumps(note.model_dump(mode="json"), indent=1, ensure_ascii=False).encode()
