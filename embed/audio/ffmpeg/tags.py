"""Tags of a container, under plain names: title, artist, album, date, comment, description, language, chapters.

ID3, Vorbis comments, MP4 atoms, RIFF INFO and bext all come through ffmpeg, which has names of its own for them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import av

from embed.audio.ffmpeg.reader import OPTIONS, headerless
from embed.audio.stream import Watched
from embed.chapters import CHAPTERS, chapters_as_text

# By plain name the names of ffmpeg, the best first.
_NAMES = {
    "title": ("title",),
    "artist": ("artist", "album_artist", "author", "performer"),
    "album": ("album", "show"),
    "date": ("date", "year", "originaldate", "creation_time"),
    "comment": ("comment",),
    "description": ("description", "synopsis"),
    "language": ("language",),
}
_MOST_CHARS = 4_000  # a longer one is cut: every row of the recording carries it
_CHAPTER = re.compile(r"chapter(\d+)")  # in Vorbis comments of flac: its start; `chapter001name` is its title
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_NO_LANGUAGE = ("und", "xxx", "mis", "zxx", "unk")
_NO_DATE = ("0", "1904-01-01", "1970-01-01")  # begin what is written where there is no date


def tags_of(file: Watched, url: str, track: int = 0) -> dict[str, str]:
    """The tags of a recording; the language is that of this sound track.  None of what ffmpeg cannot open."""
    form = headerless(file, url)
    file.seek(0)
    try:
        container = av.open(file, format=form, options=OPTIONS, metadata_errors="surrogateescape")
    except (av.FFmpegError, ValueError, OSError):
        file.check()
        return {}
    with container:
        found = {**_plain(container.metadata), **_plain(_of_track(container, track))}
        chapters = [(float(one["start"] * one["time_base"]), _title(one)) for one in container.chapters()]
        chapters = chapters or list(_in_comments(container.metadata))
    if any(title for _, title in chapters):
        found[CHAPTERS] = chapters_as_text(chapters)
    return found


def _of_track(container: Any, track: int) -> dict[str, str]:
    """In ogg a track has all the tags; elsewhere only its language counts: its title is `stereo`, or the like."""
    sound = container.streams.audio
    tags = dict(sound[min(track, len(sound) - 1)].metadata) if sound else {}
    return tags if container.format.name == "ogg" else {name: tags[name] for name in tags if name.lower() == "language"}


def _plain(tags: Mapping[str, str]) -> dict[str, str]:
    texts = {name.lower(): _readable(text) for name, text in tags.items()}
    found = {name: next((texts[one] for one in names if texts.get(one)), "") for name, names in _NAMES.items()}
    if found["language"].lower() in _NO_LANGUAGE:
        del found["language"]
    if found["date"].startswith(_NO_DATE):
        del found["date"]
    return {name: text for name, text in found.items() if text}


def _in_comments(tags: Mapping[str, str]) -> Iterator[tuple[float, str]]:
    texts = {name.lower(): text for name, text in tags.items()}
    for name, text in texts.items():
        if _CHAPTER.fullmatch(name) and (clock := _CLOCK.fullmatch(text.strip())):
            hours, minutes, seconds = clock.groups()
            yield 3600 * int(hours) + 60 * int(minutes) + float(seconds), _readable(texts.get(f"{name}name", ""))


def _title(chapter: Mapping[str, Any]) -> str:
    return _readable(chapter["metadata"].get("title", ""))


def _readable(text: str) -> str:
    """The text without bytes that are no characters: they are Western where all of them are, else they are cut ones."""
    if any("\udc80" <= char <= "\udcff" for char in text):
        if any("\x7f" < char < "\ud800" or char > "\udfff" for char in text):
            text = text.encode("utf-8", "ignore").decode()
        else:
            text = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    text = "".join(char for char in text if char in "\n\t" or (char.isprintable() or char.isspace())).strip()
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS].rstrip()} ..."
