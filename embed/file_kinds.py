"""File kinds: the modality and the format of a file, by its name alone.

One rule decides when `modality` is `auto`:
- hidden files and folders (`.name`), and side files (`is_side_file`) inside a folder, are skipped;
- the suffixes of `FORMATS` are text, and some also packed by gzip (`.jsonl.gz`, `.csv.gz`);
- everything else is read as audio.
"""

from posixpath import splitext

from embed.tables import SPEECH, TEXT

JSON_LINES = (".jsonl", ".ndjson")
FORMATS = {
    **dict.fromkeys((".txt", ".md", ".rst"), "txt"),
    **dict.fromkeys(JSON_LINES, "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".srt", ".vtt"), "subtitles"),
}
PACKED = frozenset({"jsonl", "csv", "html", "subtitles"})  # formats that are also read when packed by gzip

# Files next to recordings with nothing to embed: pictures, playlists, checksums, descriptions.
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


def modality_of(path: str, declared: str = "auto") -> str:
    """`speech` or `text`, as declared, else by the suffix."""
    if declared != "auto":
        return declared
    return TEXT if _text_format(path) else SPEECH


def format_of(path: str, modality: str) -> str:
    """How the file is read: `audio`, or a value of `FORMATS`."""
    return "audio" if modality == SPEECH else _text_format(path) or "txt"


def is_json_lines(path: str) -> bool:
    return _text_format(path) == "jsonl"


def is_side_file(path: str) -> bool:
    """Whether a file found in a folder (path below it) is hidden, or only describes files next to it."""
    if path.startswith(".") or "/." in path:
        return True
    name = path.rpartition("/")[2]
    return suffix(name) in _SIDE_SUFFIXES or name.partition(".")[0].lower() in _SIDE_STEMS


def suffix(path: str) -> str:
    """The suffix in lower case, with its dot."""
    return splitext(path)[1].lower()


def unpacked_suffix(path: str) -> str:
    """The suffix without `.gz`: of the packed file, where it is packed by gzip."""
    return suffix(path.lower().removesuffix(".gz"))


def _text_format(path: str) -> str | None:
    found = FORMATS.get(unpacked_suffix(path))
    return found if found in PACKED or not path.lower().endswith(".gz") else None
