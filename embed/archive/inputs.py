"""Inputs: the files and folders to embed, local, on S3 or on the web, with language and metadata of each input.

`embed.file_kinds` decides by a file's name what it is, when `modality` is `auto`.  In addition:
- a `.jsonl` whose first line has `audio_filepath` lists recordings, and `metadata.csv` or `metadata.jsonl` with
  `file_name` describes the recordings next to it (`embed.archive.utterance_lists`, `embed.archive.side_files`);
- a `.parquet` with a column of sounds holds recordings, one in a row (`embed.archive.sound_tables`);
- a `.tar` holds recordings and texts, which are read in place, with what the members of their names say of them, as in
  WebDataset (`embed.archive.tars`); a list next to it, of NeMo or lhotse, may name its members;
- a feed (.rss, .atom; .xml or any url, where it is given itself) brings the recordings of its items
  (`embed.archive.feed_assets`);
- `include` and `exclude` choose files by globs of their path below the url (`embed.archive.selection`), of a tar
  all members or none;
- `metadata_from` names where the metadata of its files are written (`embed.archive.metadata.described`);
- `transcripts: joined` takes `a.vtt`, `a.fr.srt` and the like for the words of `a.mp3`
  (`embed.archive.joined_transcripts`);
- links and lists lead to files below the url alone, unless `follow: outside` allows others;
- a file that no reader supports is listed with a problem and counted as failed,
  and so is one that cannot be read: a link that leads to itself, a pipe, a folder that is closed to this user.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from embed.base_spec import Spec, speed_only, where_set
from embed.file_kinds import format_of
from embed.storage.store import has_folders
from embed.tables import TEXT
from embed.text.encodings import canonical

MB = 1_000_000
Glob = Annotated[str, Field(min_length=1)]


class CatalogueSpec(Spec):
    """A table with a row for each file: its name, and metadata under the names of the columns."""

    catalogue: str = Field(min_length=1, description="A .csv, .tsv or .jsonl: a path below the input's url, or a url.")
    columns: dict[str, str] = Field(
        default_factory=dict, description="Your names for its columns: {file: Datei, title: Titel}; default: file."
    )

    @field_validator("catalogue")
    @classmethod
    def _is_a_table(cls, value: str) -> str:
        if format_of(value, TEXT) not in ("csv", "jsonl"):
            raise ValueError("a catalogue is a .csv, .tsv or .jsonl")
        return value


def _kind_of(value: Any) -> str:
    return "word" if isinstance(value, str) else "table"


MetadataSource = Annotated[
    Annotated[Literal["tags", "xml", "bag"], Tag("word")] | Annotated[CatalogueSpec, Tag("table")],
    Discriminator(_kind_of),
]


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
        "A file or a folder: a local path or s3://bucket/prefix; numbered files, `a-{0..9}.tar`; or a feed or a file:"
        " https://host/path.",
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
    metadata_from: tuple[MetadataSource, ...] = where_set(
        (),
        "Where metadata of the files is written: `tags` (of the container of a whole recording), `xml` (Dublin Core,"
        " EBUCore or PBCore next to the file), `bag` (BagIt's bag-info.txt; each file is compared with its checksum"
        " once), or a table with a row for each file, `catalogue.csv`.",
    )
    columns: dict[Literal["audio", "id", "text", "title", "lang"], str] = Field(
        default_factory=dict,
        description="Your names for the fields of .jsonl, .csv, .parquet, and of .json in a .tar; default: _id or id,"
        " text, title, lang; audio, the sounds of a .parquet, by default as the file describes them.",
    )
    transcripts: Literal["apart", "joined"] = where_set(
        "apart",
        "Transcripts next to recordings (`a.vtt`, `a.fr.srt` of `a.mp3`) are texts of their own, or they are `joined`:"
        " their words become the text of the recordings' segments.",
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

    @field_validator("metadata_from", mode="before")
    @classmethod
    def _tables_by_name(cls, value: Any) -> Any:
        return [_source(one) for one in value] if isinstance(value, (list, tuple)) else value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        return None if value is None else canonical(value)


def _source(value: Any) -> Any:
    """A source of metadata; a bare text is one of the words, else the path of a catalogue."""
    if not isinstance(value, str) or value in ("tags", "xml", "bag"):
        return value
    if format_of(value, TEXT) not in ("csv", "jsonl"):
        raise ValueError(f"{value!r} is none of tags, xml, bag, and no .csv, .tsv or .jsonl")
    return {"catalogue": value}


def _last_part(url: str) -> str:
    if has_folders(url):
        return PurePosixPath(url.rstrip("/")).name
    host, _, path = url.partition("?")[0].partition("://")[2].partition("/")
    return PurePosixPath(path.rstrip("/")).name or host
