"""Inputs: the files and folders to embed, local, on S3 or on the web, with language and metadata of each input.

`embed.file_kinds` decides by a file's name what it is, when `modality` is `auto`.  In addition:
- a `.jsonl` whose first line has `audio_filepath` lists recordings, and `metadata.csv` or `metadata.jsonl` with
  `file_name` describes the recordings next to it (`embed.archive.utterance_lists`, `embed.archive.side_files`);
- a `.parquet` with a column of sounds holds recordings, one in a row (`embed.archive.sound_tables`);
- `include` and `exclude` choose files by globs of their path below the url (`embed.archive.selection`);
- a feed (.rss, .atom; .xml or any url, where it is given itself) brings the recordings of its items
  (`embed.archive.feed_assets`);
- links and lists lead to files below the url alone, unless `follow: outside` allows others;
- a file that no reader supports is listed with a problem and counted as failed,
  and so is one that cannot be read: a link that leads to itself, a pipe, a folder that is closed to this user.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from embed.base_spec import Spec, speed_only, where_set
from embed.storage.store import has_folders
from embed.text.encodings import canonical

MB = 1_000_000
Glob = Annotated[str, Field(min_length=1)]


class WebSpec(Spec):
    """Limits of what feeds and urls of the web may lead to."""

    private: bool = Field(
        default=False, description="Also read addresses of a private network, or of this machine (http://127.0.0.1)."
    )
    max_mb: float = Field(default=4000, gt=0, description="Megabytes of the longest recording that is read.")
    pages: int = Field(default=100, ge=1, description="Pages of a feed that are read, each named by the one before.")


class InputSpec(Spec):
    """One input of a job.

    The uri of a file is `<name>/<path below url>`, of a single file `<name>`: ids follow the name, so that an
    archive may move to another url; so `url` is no part of the identity.

    A later run may change any field: units that are planned no more leave the dataset.  Of `lang` and `metadata` rows
    get the newest values: recordings and .txt keep their vectors, tables (whose rows may have their own values) are
    embedded again.
    """

    url: str = speed_only(
        ...,
        "A file or a folder: a local path or s3://bucket/prefix; or a feed or a file: https://host/path.",
        min_length=1,
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
    web: WebSpec = where_set(WebSpec(), "Limits of what feeds and urls of the web may lead to.")
    metadata: dict[str, str] = Field(default_factory=dict, description="Metadata copied to every row.")
    columns: dict[Literal["id", "text", "title", "lang"], str] = Field(
        default_factory=dict,
        description="Your names for the fields of .jsonl, .csv and .parquet; default: _id or id, text, title, lang.",
    )
    encoding: str | None = where_set(
        None, "Encoding of the texts that are not UTF-8, by its name in Python, e.g. cp1252, cp1251, utf-16-le, cp932."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_from_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("name") and isinstance(values.get("url"), str):
            return {**values, "name": _last_part(values["url"]) or "input"}
        return values

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        return None if value is None else canonical(value)


def _last_part(url: str) -> str:
    if has_folders(url):
        return PurePosixPath(url.rstrip("/")).name
    host, _, path = url.partition("?")[0].partition("://")[2].partition("/")
    return PurePosixPath(path.rstrip("/")).name or host
