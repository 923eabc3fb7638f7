"""Transcripts next to recordings, by their names: `a.vtt`, `a.fr.srt` and `a.mp3.json` are transcripts of `a.mp3`.

An input with `transcripts: joined` reads them for the text of its recordings, and they are no texts of their own.  Of
several that a recording has one is used: in the language of the input, else without a language in its name, else the
first by name; of one language, the first of `SUFFIXES`.  JSON may be anything, so it is used where there is no other.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from embed import identity
from embed.archive.feed_assets import may_be_feed
from embed.archive.feeds.items import TRANSCRIPT_TYPE, TRANSCRIPT_URL
from embed.archive.inputs import InputSpec
from embed.archive.named_files import entry_at
from embed.archive.selection import UNSELECTED, Selection
from embed.errors import OF_ONE_FILE
from embed.file_kinds import modality_of, side_kind, suffix, unpacked_suffix
from embed.quantities import many
from embed.storage import store
from embed.storage.store import Entry
from embed.tables import SPEECH
from embed.text.encodings import ENCODING
from embed.text.transcripts import SUFFIXES, read_transcript

# Settings with which a recording is read, in MANIFEST's `columns`.
URL, LISTED, DIGEST, KIND = "transcript", "transcript_version", "transcript_digest", "transcript_kind"
USED, UNUSED = "transcript", "unused transcript"  # kinds of files that are no assets
# What feeds call them (https://podcasting2.org/docs/podcast-namespace/tags/transcript); others are for people.
_KINDS = {
    "text/vtt": ".vtt",
    "application/x-subrip": ".srt",
    "application/srt": ".srt",
    "text/srt": ".srt",
    "application/json": ".json",
}
_ENDS = (*SUFFIXES, *(f"{one}.gz" for one in SUFFIXES))
_DESCRIPTION = side_kind("any.json")
_LANG = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)


class Joined(NamedTuple):
    """A transcript of a recording, and the language in its name."""

    entry: Entry
    lang: str | None


@dataclass(frozen=True)
class Transcripts:
    """The transcripts of an input, by url of the recording, and notes for the user."""

    of: Mapping[str, Joined] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def settings(self, url: str, encoding: str | None) -> dict[str, str]:
        """The settings of a recording, before it is probed."""
        if (found := self.of.get(url)) is None:
            return {}
        entry = found.entry
        version = identity.content_version(entry.etag, entry.size_bytes, entry.mtime)
        return {URL: entry.url, LISTED: version, **({ENCODING: encoding} if encoding else {})}

    def lang(self, url: str) -> str | None:
        """The language in the name of a recording's transcript."""
        return self.of[url].lang if url in self.of else None

    def about(self, url: str) -> dict[str, str]:
        """Metadata of a recording: the language in the name of its transcript, which may be a translation."""
        lang = self.lang(url)
        return {"transcript_lang": lang} if lang else {}


def join_transcripts(spec: InputSpec, entries: Iterable[Entry], chosen: Selection) -> tuple[Selection, Transcripts]:
    """The transcripts of a listing, and the selection without them.

    Where transcripts are `apart` there are none, and a note counts the recordings that would have one.
    """
    if spec.transcripts == "apart":
        num = 0 if chosen.single else len(_pairs(spec, chosen.kept, chosen.kept))
        what = f"{many(num, 'recording')} with a transcript of the same name"
        cure = "set `transcripts: joined` for it to see what was spoken with each hit"
        return chosen, Transcripts(notes=(f"{spec.url}: {what}; {cure}",) if num else ())
    if chosen.single and may_be_feed(chosen.kept[0], single=True):
        return chosen, Transcripts()  # its items name theirs
    if chosen.single:
        cure = "give its folder as `url`, and its name as `include`"
        return chosen, Transcripts(notes=(f"{spec.url}: transcripts are not searched for a single file: {cure}",))
    files = {entry.url: entry for entry in entries if _may_join(entry.url, chosen)}
    pairs = _pairs(spec, chosen.kept, files.values())
    of = {url: min(found, key=lambda one: _rank(spec, one)) for url, found in pairs.items()}
    used = {one.entry.url for one in of.values()}
    # Subtitles that no recording has are texts of their own, as ever; JSON stays a description.
    paired = {one.entry.url for found in pairs.values() for one in found}
    gone = {url for url in files if url in paired or modality_of(url, spec.modality) == SPEECH} - _descriptions(chosen)
    kept = [entry for entry in chosen.kept if entry.url not in gone]
    kinds = {url: USED if url in used else UNUSED for url in gone}
    alone = sum(1 for entry in kept if entry.url in files)
    notes = [f"{spec.url}: {many(len(of), 'recording')} with a transcript"]
    notes += [f"{spec.url}: {many(alone, 'transcript')} of no recording: embedded as text"] if alone else []
    return replace(chosen, kept=kept, passed_over={**chosen.passed_over, **kinds}), Transcripts(of, tuple(notes))


def linked_transcript(spec: InputSpec, metadata: Mapping[str, str]) -> dict[str, str]:
    """The settings of an item of a feed that names its transcript; none where it is not read."""
    url, media_type = metadata.get(TRANSCRIPT_URL, ""), metadata.get(TRANSCRIPT_TYPE, "")
    kind = _KINDS.get(media_type.partition(";")[0].strip().lower())
    if spec.transcripts == "apart" or not url or kind is None:
        return {}
    entry = entry_at(url)
    version = identity.content_version(entry.etag, entry.size_bytes, entry.mtime) if entry else "missing"
    return {URL: url, LISTED: version, KIND: kind, **({ENCODING: spec.encoding} if spec.encoding else {})}


def with_digest(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a recording with the digest of its transcript, which is part of the ids of its units.

    It is empty where the file is JSON that is no transcript.
    """
    if URL not in settings:
        return dict(settings)
    url = settings[URL]
    try:
        with store.open_input(url) as stream:
            digest = identity.stream_digest(stream).hex()
        kind = settings.get(KIND, "")
        if (kind == ".json" or _is_json(url)) and read_transcript(url, settings.get(ENCODING), kind) is None:
            digest = ""
    except OF_ONE_FILE as error:  # it is a failure where the recording is cut
        digest = identity.digest(str(error)).hex()
    return {**settings, DIGEST: digest}


def _may_join(url: str, chosen: Selection) -> bool:
    return url.lower().endswith(_ENDS) and chosen.passed_over.get(url) in (None, UNSELECTED, _DESCRIPTION)


def _descriptions(chosen: Selection) -> set[str]:
    return {url for url, kind in chosen.passed_over.items() if kind == _DESCRIPTION}


def _pairs(spec: InputSpec, kept: Sequence[Entry], files: Iterable[Entry]) -> dict[str, list[Joined]]:
    """The transcripts of each recording, by its url."""
    names = [(entry, *_names(entry.url)) for entry in files if entry.url.lower().endswith(_ENDS)]
    wanted = {name for _, name, base, _ in names for name in (name, base)}
    recordings: dict[str, list[str]] = {}
    for entry in kept if wanted else ():
        if not entry.url.lower().endswith(_ENDS) and modality_of(entry.url, spec.modality) == SPEECH:
            for name in _keys(entry.url):
                if name in wanted:
                    recordings.setdefault(name, []).append(entry.url)
    found: dict[str, list[Joined]] = {}
    for entry, name, base, lang in names:
        exact = recordings.get(name, [])
        for url in exact or recordings.get(base, []):
            found.setdefault(url, []).append(Joined(entry, None if exact else lang))
    return found


def _keys(url: str) -> Iterator[str]:
    """The names that a recording's transcript may have, without its own suffix."""
    yield _normal(url)
    yield _normal(url[: len(url) - len(suffix(url))])


def _names(url: str) -> tuple[str, str, str | None]:
    """The name of a transcript without its suffix, the same without a language, and that language."""
    plain = _normal(url[:-3] if url.lower().endswith(".gz") else url)
    name = plain[: len(plain) - len(suffix(plain))]
    base, dot, last = name.rpartition(".")
    return (name, base, last) if dot and "/" not in last and _LANG.fullmatch(last) else (name, name, None)


def _rank(spec: InputSpec, one: Joined) -> tuple[bool, bool, bool, str, int, str]:
    """The smallest is used."""
    kind = SUFFIXES.index(unpacked_suffix(one.entry.url))
    own = one.lang is not None and spec.lang is not None and _primary(one.lang) == _primary(spec.lang)
    return _is_json(one.entry.url), not own, one.lang is not None, one.lang or "", kind, one.entry.url


def _primary(lang: str) -> str:
    return re.split("[-_]", lang)[0].lower()


def _is_json(url: str) -> bool:
    return unpacked_suffix(url) == ".json"


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
