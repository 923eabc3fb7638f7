"""Spoken captions of Tux Paint's stamps: some 900 short texts, recorded in a dozen languages, written in sixty."""

from collections.abc import Sequence
from pathlib import Path

from train.curate.clip import Clip, clip_of_file, words
from train.curate.packages.apt import fetch

SOURCE = "tux"
LICENCE = "GPL-2"
PACKAGE = "tuxpaint-stamps-default"
TEXT_LANGS = ("fr", "es", "en", "be", "bg", "el")  # languages whose texts decide the split
LANGS = (*TEXT_LANGS, "ru", "ro", "ca", "da", "nl")  # of sentences; Lithuanian letters have no captions


def packages(langs: Sequence[str]) -> tuple[str, ...]:
    """One package has all languages."""
    return (PACKAGE,)


def clips(cache: Path, langs: Sequence[str] = TEXT_LANGS, text_langs: Sequence[str] = ()) -> list[Clip]:
    """Captions with a recording of 0.3 to 12 seconds, by key and language.

    Translations cover `TEXT_LANGS`, `langs` and `text_langs`, where they exist.
    Raises DataUnavailable where the package cannot be fetched.
    """
    stamps = _stamps(cache)
    found = []
    for name, texts in captions(cache, tuple(dict.fromkeys((*TEXT_LANGS, *langs, *text_langs)))).items():
        for lang in langs:
            path = stamps / (f"{name}_desc.ogg" if lang == "en" else f"{name}_desc_{lang}.ogg")
            if lang in texts and path.is_file():
                found.append(clip_of_file(SOURCE, f"{SOURCE}:{name}", lang, texts[lang], path, texts))
    return [clip for clip in found if clip is not None]


def captions(cache: Path, langs: Sequence[str] = TEXT_LANGS) -> dict[str, dict[str, str]]:
    """Stamp name -> language -> caption, recorded or not."""
    stamps = _stamps(cache)
    files = sorted(stamps.rglob("*.txt"))
    return {file.relative_to(stamps).with_suffix("").as_posix(): _caption(file, langs) for file in files}


def _stamps(cache: Path) -> Path:
    return fetch(PACKAGE, cache) / "usr/share/tuxpaint/stamps"


def _caption(file: Path, langs: Sequence[str]) -> dict[str, str]:
    """The first line is English; the others read `fr.utf8=...`."""
    english, *others = file.read_text(encoding="utf-8").splitlines()
    texts = {"en": english.strip()}
    for line in others:
        tag, _, text = line.partition("=")
        texts.setdefault(tag.removesuffix(".utf8"), text.strip())
    return {lang: texts[lang] for lang in langs if words(texts.get(lang, ""))}
