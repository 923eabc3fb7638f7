"""Benchmark of recorded prompts: the recordings of dev and test, and every caption of their source.

- All captions of a language are documents, recorded or not, trained on or not: the hard negatives.
- Recordings are candidates in their own part alone; those of train are left out.
- Texts with the same words are one; recordings and texts of one prompt answer each other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from embed.errors import InputError
from train.curate.benchmarks.folder import Collected, recording_row, text_row, write
from train.curate.benchmarks.table import Langs
from train.curate.clip import Clip, text_key
from train.curate.sources.table import SOURCES, Source
from train.curate.speech_pairs import prompts_by_part
from train.curate.split import Part

PARTS: tuple[Part, ...] = ("dev", "test")


def prompts(name: str, cache: Path, speech: Langs, texts: Langs) -> Path:
    """The folder of a source's prompts with recordings and texts in these languages; None is all of the source.

    Raises InputError where the source has no recordings in one of them, DataUnavailable where it cannot be fetched.
    """
    source = SOURCES[name]
    spoken = tuple(source.LANGS if speech is None else speech)
    written = tuple(dict.fromkeys((*source.TEXT_LANGS, *source.LANGS)) if texts is None else texts)
    if missing := [lang for lang in spoken if lang not in source.LANGS]:
        raise InputError(f"{name} has no recordings in {missing[0]!r}; it has {', '.join(source.LANGS)}")
    found = _Prompts(written)
    found.add_captions(source.captions(cache, written))
    # Each language is split by itself, so that a second one moves no prompt to another part.
    for lang in spoken or source.TEXT_LANGS:
        parts, _ = prompts_by_part(name, cache, (lang,), written)
        for part in PARTS:
            found.add_clips([clip for clip in parts[part] if clip.lang == lang], part, bool(spoken))
    langs = ("-".join(one) for one in (spoken, written) if one)
    return write(found.lines, "_".join((name, *langs)), _card(name, source, (*spoken, *written)), cache)


class _Prompts:
    """Lines of prompts with texts in these languages."""

    def __init__(self, text_langs: Sequence[str]) -> None:
        self.lines = Collected()
        self._text_langs = text_langs
        self._names = Counter[str]()  # of recordings
        self._of_key: dict[tuple[Part, str], list[str]] = {}  # recordings

    def add_captions(self, captions: Mapping[str, Mapping[str, str]]) -> None:
        """The documents that are texts; equal ones once."""
        for lang in self._text_langs:
            for texts in captions.values():
                if id := self._text_id(lang, texts.get(lang, "")):
                    self.lines.corpus.setdefault(id, text_row(id, lang, texts[lang]))

    def add_clips(self, clips: Sequence[Clip], part: Part, with_speech: bool) -> None:
        """Questions, recordings and right answers of the clips that have one of the texts."""
        for clip in clips:
            texts = {lang: clip.translations[lang] for lang in self._text_langs if lang in clip.translations}
            ids = {lang: id for lang, text in texts.items() if (id := self._text_id(lang, text))}
            if self._text_langs and not ids:
                continue
            for lang, id in ids.items():
                self.lines.queries.setdefault(id, text_row(id, lang, texts[lang]))
                self.lines.judge(part, id, (other for other in ids.values() if other != id))
            if with_speech:
                self._add_recording(clip, part, list(ids.values()))

    def _add_recording(self, clip: Clip, part: Part, texts: Sequence[str]) -> None:
        id = self._recording_id(clip)
        self.lines.queries[id] = recording_row(id, clip)
        self.lines.corpus[id] = recording_row(id, clip, part)
        same = self._of_key.setdefault((part, clip.key), [])
        self.lines.judge(part, id, (*texts, *same))
        for other in (*texts, *same):
            self.lines.judge(part, other, [id])
        same.append(id)

    def _text_id(self, lang: str, text: str) -> str:
        """The same words have the same id in every run, after the language where there are several; "" of no words."""
        key = text_key(text)
        name = blake2b(key.encode(), digest_size=8).hexdigest()
        return "" if not key else name if len(self._text_langs) == 1 else f"{lang}-{name}"

    def _recording_id(self, clip: Clip) -> str:
        """Key and language without blanks; further recordings of one key are numbered."""
        name = "_".join(f"{clip.key}/{clip.lang}".split())
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}/{self._names[name]}"


def _card(name: str, source: Source, langs: Sequence[str]) -> str:
    packages = source.packages(tuple(dict.fromkeys((*source.TEXT_LANGS, *langs))))
    return (
        f"# {name}\n\nRecorded prompts of {', '.join(packages)} (Debian), licence {source.LICENCE}.  Questions and\n"
        "recordings of dev and test; all captions are documents.  Choose on dev; score test once.\n"
    )
