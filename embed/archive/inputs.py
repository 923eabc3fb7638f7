"""Inputs: the files and folders to embed, local or on S3, with language and metadata of each input.

`embed.file_kinds` decides by a file's name what it is, when `modality` is `auto`.  In addition:
- a `.jsonl` whose first line has `audio_filepath` lists recordings, and `metadata.csv` or `metadata.jsonl` with
  `file_name` describes the recordings next to it (`embed.archive.utterance_lists`, `embed.archive.side_files`);
- a `.parquet` with a column of sounds holds recordings, one in a row (`embed.archive.sound_tables`);
- a `.tar` holds recordings and texts, which are read in place, with what the members of their names say of them, as in
  WebDataset (`embed.archive.tars`); a list next to it, of NeMo or lhotse, may name its members;
- `include` and `exclude` choose files by globs of their path below the url (`embed.archive.selection`), of a tar
  all members or none;
- links and lists lead to files below the url alone, unless `follow: outside` allows others;
- a file that no reader supports is listed with a problem and counted as failed,
  and so is one that cannot be read: a link that leads to itself, a pipe, a folder that is closed to this user.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from embed.base_spec import Spec, speed_only, where_set
from embed.text.encodings import canonical

Glob = Annotated[str, Field(min_length=1)]


class InputSpec(Spec):
    """One input of a job.

    The uri of a file is `<name>/<path below url>`, of a single file `<name>`: ids follow the name, so that an
    archive may move to another url; so `url` is no part of the identity.

    A later run may change any field: units that are planned no more leave the dataset.  Of `lang` and `metadata` rows
    get the newest values: recordings and .txt keep their vectors, tables (whose rows may have their own values) are
    embedded again.
    """

    url: str = speed_only(
        ..., "A file or a folder: a local path or s3://bucket/prefix; or numbered files, `a-{0..9}.tar`.", min_length=1
    )
    name: str = Field(default="", description="First part of every uri; by default the last part of the url.")
    modality: Literal["auto", "speech", "text"] = Field(default="auto", description="What the files hold.")
    include: tuple[Glob, ...] = where_set((), "Globs of the files to embed: `*.mp3`, `2024/*`; by default all of them.")
    exclude: tuple[Glob, ...] = where_set((), "Globs of files and folders to leave out: `drafts`, `**/raw/*.wav`.")
    lang: str | None = Field(default=None, description="Language of the whole input, as a row's `lang`.")
    track: int | None = where_set(
        None, "Sound track of the recordings, counted from 0; by default the one that players take.", ge=0
    )
    follow: Literal["inside", "outside"] = where_set(
        "inside", "Links and lists lead to files below the url alone, or also `outside` of it."
    )
    metadata: dict[str, str] = Field(default_factory=dict, description="Metadata copied to every row.")
    columns: dict[Literal["id", "text", "title", "lang"], str] = Field(
        default_factory=dict,
        description="Your names for the fields of .jsonl, .csv, .parquet, and of .json in a .tar; default: _id or id,"
        " text, title, lang.",
    )
    encoding: str | None = where_set(
        None, "Encoding of the texts that are not UTF-8, by its name in Python, e.g. cp1252, cp1251, utf-16-le, cp932."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_from_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("name") and isinstance(values.get("url"), str):
            return {**values, "name": PurePosixPath(values["url"].rstrip("/")).name or "input"}
        return values

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        return None if value is None else canonical(value)
