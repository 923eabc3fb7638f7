"""File kinds: the modality and the format of a file, by its name alone.

One rule decides when `modality` is `auto`:
- in a folder, hidden files and folders (`.name`) and side files (`side_kind`) are passed over;
- the suffixes of `FORMATS` are text, and some also packed by gzip (`.jsonl.gz`, `.csv.gz`);
- a `.tar` holds files, to each of which the same rule applies (`embed.archive.tars`);
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

# Suffixes of recordings.  Any other file is tried as one, too; next to a recording in a tar it only describes it.
_SOUNDS = frozenset(
    {
        *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".aifc", ".au", ".snd"),
        *(".caf", ".w64", ".rf64", ".amr", ".gsm", ".wma", ".mka", ".mp2", ".ac3", ".g722", ".sph", ".ape", ".wv"),
        *(".mp4", ".webm", ".mkv", ".mov", ".avi", ".3gp", ".ts", ".m4b"),
    }
)

# The command that unpacks a tar which is packed as a whole, by suffix.
_PACKERS = {"gz": "gunzip", "bz2": "bunzip2", "xz": "unxz", "zst": "unzstd"}
_PACKED_TARS = {
    **{f".tar.{end}": command for end, command in _PACKERS.items()},
    **{f".t{end}": command for end, command in _PACKERS.items()},
}

HIDDEN, DESCRIPTION = "hidden file", "description"
# Files next to recordings with nothing to embed, by suffix: what they are, as a noun that takes an s.
_SIDE_SUFFIXES = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".gif"), "picture"),
    **dict.fromkeys((".m3u", ".m3u8", ".pls", ".cue"), "playlist"),
    **dict.fromkeys((".md5", ".sha1", ".sha256"), "checksum"),
    **dict.fromkeys((".json", ".yaml", ".yml", ".xml"), DESCRIPTION),
    ".log": "log",
}
# Files about the archive, by the name before its first dot.  `authors.wav` is a recording and `authors.csv` a table:
# only files without a suffix, notes, and files of a system are about the archive; also packed by gzip.
_SIDE_STEMS = {
    *("readme", "license", "licence", "copying", "copyright", "changelog", "authors"),
    *("thumbs", "desktop", "_success"),
}
_NOTES = {
    *("", ".txt", ".md", ".rst", ".html", ".htm", ".pdf", ".rtf", ".doc", ".docx", ".odt", ".debian"),
    *(".ini", ".db"),
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


def is_sound(path: str) -> bool:
    """Whether it has the suffix of recordings; those of others may be recordings, too."""
    return suffix(path) in _SOUNDS


def is_tar(path: str) -> bool:
    """Whether it is a tar, also a packed one."""
    return suffix(path) == ".tar" or unpacker_of_tar(path) is not None


def unpacker_of_tar(path: str) -> str | None:
    """The command that makes a .tar of a tar which is packed as a whole; None of any other file."""
    return next((command for end, command in _PACKED_TARS.items() if path.lower().endswith(end)), None)


def side_kind(path: str) -> str | None:
    """Kind of a file in a folder (`path` below it) that is hidden, or only describes other files; None of any other."""
    if path.startswith(".") or "/." in path:
        return HIDDEN
    name = path.rpartition("/")[2]
    is_about = name.partition(".")[0].lower() in _SIDE_STEMS and unpacked_suffix(name) in _NOTES
    return _SIDE_SUFFIXES.get(suffix(name)) or ("side file" if is_about else None)


def suffix(path: str) -> str:
    """The suffix in lower case, with its dot."""
    return splitext(path)[1].lower()


def unpacked_suffix(path: str) -> str:
    """The suffix without `.gz`: of the packed file, where it is packed by gzip."""
    return suffix(path.lower().removesuffix(".gz"))


def _text_format(path: str) -> str | None:
    found = FORMATS.get(unpacked_suffix(path))
    return found if found in PACKED or not path.lower().endswith(".gz") else None
