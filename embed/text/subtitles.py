"""Subtitles of .srt and .vtt files: a document for each cue, with its time in the film as metadata.

Notes and styles are left out, and the marks of colour, place and speaker inside a cue.
"""

import html
import io
import re
from collections.abc import Iterator

import av

from embed.errors import InputError
from embed.file_kinds import unpacked_suffix
from embed.text.documents import Document, is_blank
from embed.text.gzipped import whole_text

_READERS = {".srt": "srt", ".vtt": "webvtt"}
_MARKS = re.compile(r"</?[A-Za-z0-9][^<>]*>|\{\\[^{}]*\}")  # <i>, <v Awa>, <00:01.500>, {\an8}


def read_cues(url: str, encoding: str | None, kind: str = "") -> Iterator[Document]:
    """Cues with a text, in order; of a `kind` that may differ from the suffix.

    Raises InputError where there are none, or bytes that are no characters.
    """
    form = _READERS.get(kind or unpacked_suffix(url), "srt")
    data = "\n".join(whole_text(url, encoding).splitlines()) + "\n"
    number = 0
    for start_s, end_s, raw in _cues(url, data.encode(), form):
        text = "\n".join(line.strip() for line in html.unescape(_MARKS.sub("", raw)).splitlines())
        if not is_blank(text):
            yield Document(text, metadata={"start": f"{start_s:.3f}", "end": f"{end_s:.3f}"}, place=number)
            number += 1
    if not number:
        raise InputError(f"{url}: no cue with a text and a time; is it {form.upper()}?")


def _cues(url: str, data: bytes, form: str) -> Iterator[tuple[float, float, str]]:
    try:
        with av.open(io.BytesIO(data), format=form) as container:
            for packet in container.demux(container.streams.subtitles[0]):
                if packet.pts is not None:
                    start_s = float(packet.pts * packet.time_base)
                    yield start_s, start_s + float((packet.duration or 0) * packet.time_base), bytes(packet).decode()
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"{url}: not readable as {form.upper()}: {' '.join(str(error).split())}") from None
