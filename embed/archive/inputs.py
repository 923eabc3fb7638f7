"""What is to be embedded: a file or a folder, local or on S3, and what is known about all of it.

One rule decides what a file is, when `modality` is `auto`:
- hidden files and folders (`.name`), and side files (`is_side_file`) inside a folder, are skipped;
- `.txt`, `.jsonl`, `.ndjson`, `.csv`, `.tsv` and `.parquet` are text, also packed by gzip (`.jsonl.gz`, `.csv.gz`);
- a `.jsonl` whose first line has `audio_filepath` lists recordings, and `metadata.csv` or `metadata.jsonl` with
  `file_name` speaks of the recordings beside it (`embed.archive.utterance_lists`, `embed.archive.side_files`);
- everything else is tried as sound; what no reader knows is listed with a problem and counted as failed.
"""

from pathlib import PurePosixPath
from posixpath import splitext
from typing import Any, Literal

from pydantic import Field, model_validator

from embed.base_spec import Spec, speed_only
from embed.tables import SPEECH, TEXT

JSON_LINES = frozenset({".jsonl", ".ndjson"})
FORMATS = {".txt": "txt", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"} | dict.fromkeys(JSON_LINES, "jsonl")
PACKED = frozenset({"jsonl", "csv"})  # formats that are also read when packed by gzip

# Things that lie beside recordings and hold none of their words: pictures, playlists, checksums, descriptions.
_PICTURES = {".jpg", ".jpeg", ".png", ".gif"}
_LISTS = {".m3u", ".m3u8", ".pls", ".cue", ".md5", ".sha1", ".sha256", ".log"}
_DESCRIPTIONS = {".json", ".yaml", ".yml", ".xml"}
_SIDE_SUFFIXES = _PICTURES | _LISTS | _DESCRIPTIONS
_SIDE_STEMS = {
    "readme",
    "license",
    "licence",
    "copying",
    "copyright",
    "changelog",
    "authors",
    "thumbs",
    "desktop",
    "_success",
}


class InputSpec(Spec):
    """One input of a job.

    The uri of a file is `<name>/<path below url>`, of a single file `<name>`: ids follow the name, so that an
    archive may move to another url; hence `url` is no part of the identity.
    """

    url: str = speed_only(..., "A file or a folder: a local path or s3://bucket/prefix.", min_length=1)
    name: str = Field(default="", description="First part of every uri; by default the last part of the url.")
    modality: Literal["auto", "speech", "text"] = Field(default="auto", description="What the files hold.")
    lang: str | None = Field(default=None, description="Language of all of it, as a row's `lang`.")
    metadata: dict[str, str] = Field(default_factory=dict, description="Copied to every row.")
    columns: dict[Literal["id", "text", "title", "lang"], str] = Field(
        default_factory=dict,
        description="Fields of .jsonl, .csv and .parquet by your names; by default _id or id, text, title, lang.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_from_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("name") and isinstance(values.get("url"), str):
            return {**values, "name": PurePosixPath(values["url"].rstrip("/")).name or "input"}
        return values


def modality_of(path: str, declared: str = "auto") -> str:
    """`speech` or `text`, as declared, else by the suffix."""
    if declared != "auto":
        return declared
    return TEXT if _text_format(path) else SPEECH


def format_of(path: str, modality: str) -> str:
    """How the file is read: `audio`, `txt`, `jsonl`, `csv` or `parquet`."""
    return "audio" if modality == SPEECH else _text_format(path) or "txt"


def is_json_lines(path: str) -> bool:
    return _text_format(path) == "jsonl"


def is_side_file(path: str) -> bool:
    """Whether a file found in a folder (path below it) is hidden, or only describes its neighbours."""
    if path.startswith(".") or "/." in path:
        return True
    name = path.rpartition("/")[2]
    return suffix(name) in _SIDE_SUFFIXES or name.partition(".")[0].lower() in _SIDE_STEMS


def suffix(path: str) -> str:
    """The suffix in lower case, with its dot."""
    return splitext(path)[1].lower()


def unpacked_suffix(path: str) -> str:
    """That of what is packed, where it is packed by gzip."""
    return suffix(path.lower().removesuffix(".gz"))


def _text_format(path: str) -> str | None:
    found = FORMATS.get(unpacked_suffix(path))
    return found if found in PACKED or not path.lower().endswith(".gz") else None
