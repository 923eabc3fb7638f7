"""Card of a dataset or of an export: `README.md`, in the form that Hugging Face reads, and a person too."""

from collections.abc import Sequence
from typing import Any

import yaml

from embed.dataset.vectors import VectorsDataset
from embed.errors import InputError
from embed.exports.note import ExportNote
from embed.quantities import many
from embed.storage.store import create_exclusive, join
from embed.tables import SPEECH

NAME = "README.md"
EXPORTED = (
    "Columns: `id` of the segment, `asset_id` and `uri` of its file, `modality`, `lang`, `start_s` and `end_s` "
    "(seconds of speech), `start` and `end` (characters of text), `item`, `text` where known, `metadata` as JSON, "
    "`vector`."
)
STORED = (
    "Columns: `segment_id`, `asset_id`, `unit_id`, `uri` of the file and its `content_version`, `modality`, `lang`, "
    "`start_s` and `end_s` (seconds of speech), `start` and `end` (characters of text), `item`, `text` where known, "
    "`metadata`, `space`, `encoder`, `vector` in float16."
)
# From this number of rows on, each category of the hub begins.
_SIZES = (("n<1K", 0), ("1K<n<10K", 1_000), ("10K<n<100K", 10_000), ("100K<n<1M", 100_000), ("1M<n<10M", 1_000_000))
_LARGER = (("10M<n<100M", 10_000_000), ("100M<n<1B", 100_000_000), ("n>1B", 1_000_000_000))


def write_card(dataset: VectorsDataset) -> str:
    """Write the card of a dataset next to its files; the card's url.

    A card is edited by people, so one that exists is never replaced: InputError.
    """
    url, info = join(dataset.url, NAME), dataset.info
    note = ExportNote(
        dataset=dataset.url,
        version=info.number,
        space=info.space,
        encoder=info.encoder,
        dims=info.dims,
        dim=info.dims[0],
        metric=info.metric,
        to="parquet",
    )
    gone = dataset.tombstones().num_rows
    advice = [
        "deglu.open_dataset(FOLDER).table()",
        "# for datasets.load_dataset, which has no type for maps such as `metadata`:",
        "deglu export vectors FOLDER OUT --to parquet",
    ]
    advice += (
        ["# rows of forgotten files are left out by Deglu alone; `deglu forget DATASET --compact` removes them"]
        if gone
        else []
    )
    text = card(dataset, note, info.rows, None, advice, STORED)
    if not create_exclusive(url, text.encode()):
        raise InputError(f"{url}: there is a card already, which you may have edited; move it away to write a new one")
    return url


def card(
    dataset: VectorsDataset,
    note: ExportNote,
    rows: int,
    tables: str | None,
    advice: Sequence[str],
    columns: str = EXPORTED,
) -> str:
    """Markdown after a YAML header; `tables` is a pattern of the Parquet files, for `datasets.load_dataset`."""
    languages = sorted({lang for lang in dataset.assets()["lang"].unique().to_pylist() if lang})
    header: dict[str, Any] = {
        **({"language": languages} if languages else {}),
        "tags": ["embeddings", "speech", "retrieval", "matryoshka"],
        "size_categories": [[name for name, first in (*_SIZES, *_LARGER) if rows >= first][-1]],
    }
    if tables is not None:
        header["configs"] = [{"config_name": "default", "data_files": tables}]
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n{_text(dataset, note, rows, advice, columns)}"


def _text(dataset: VectorsDataset, note: ExportNote, rows: int, advice: Sequence[str], columns: str) -> str:
    done = dataset.info.accounting
    by_modality = dataset.assets()["modality"].value_counts().to_pylist()
    sources = ", ".join(many(one["counts"], f"{_noun(one['values'])} file") for one in by_modality)
    lines = [
        f"# Vectors of {sources or 'nothing'}",
        "",
        f"{many(rows, 'row')}, {note.dim} of {note.dims[0]} dims, unit length, {note.metric}: passages of text and "
        "stretches of speech in one space, so a question in either form finds both.",
        "",
        "| | |",
        "| --- | --- |",
        f"| made from | `{note.dataset}`, version {note.version}{f', where {note.where}' if note.where else ''} |",
        f"| speech with vectors | {done.embedded_s / 3600:,.1f} hours |",
        f"| units | {done.embedded:,} embedded, {done.failed:,} failed, {done.skipped:,} skipped |",
        f"| widths | {', '.join(map(str, note.dims))}; cut, then scale to unit length again |",
        f"| space | `{note.space}`: questions must be encoded in it |",
        f"| encoder | `{note.encoder}` |",
        "",
        columns,
        "",
        "The licence is that of the recordings and texts: add it to the header before you publish this.",
        "",
        *(f"    {line}" for line in advice),
        "",
    ]
    return "\n".join(lines)


def _noun(modality: str) -> str:
    return "sound" if modality == SPEECH else "text"
