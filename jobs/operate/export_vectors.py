"""`deglu export vectors`: writes a version of a dataset in the form of another store."""

from embed.dataset import open_dataset
from embed.exports.export import Exported, Kept, export_vectors
from embed.quantities import many
from index.filter import Where
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent


def export(
    dataset: str,
    folder: str,
    to: str,
    dim: int | None = None,
    version: int | None = None,
    where: Where | None = None,
    progress: Progress | None = None,
) -> Plain:
    """Write the vectors; the result says how to open them.  Raises SpecError, InputError."""
    opened, shown = open_dataset(dataset, version), progress or Silent()
    stored = sum(ref.rows for ref in opened.info.data)
    shown.begin("exporting", stored, "rows")
    try:
        kept = None if where is None else Kept(where.text, where.mask)
        done = export_vectors(opened, folder, to, dim, kept, shown.advance)
    finally:
        shown.end()
    return Plain(_document(done, folder), "\n".join(_lines(done, folder)))


def _document(done: Exported, folder: str) -> dict[str, object]:
    return {"folder": folder, **done.note.model_dump(mode="json", exclude={"complete"}), "rows": done.rows}


def _lines(done: Exported, folder: str) -> list[str]:
    note = done.note
    before = f", {done.before:,} of them before" if done.before else ""
    return [
        f"{folder}: {many(done.rows, 'row')} of {note.dataset}, version {note.version}{before}",
        f"vectors    {note.dim} of {note.dims[0]} dims, unit length, {note.metric}; space {note.space}",
        *done.advice,
    ]
