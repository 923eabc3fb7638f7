"""Telephone prompts recorded for the Asterisk exchange: one speaker per language, about a quarter of an hour each."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from embed.errors import DataUnavailable
from train.curate.clip import Clip, clip_of_file, words
from train.curate.packages.apt import fetch

SOURCE = "ast"
LICENCE = "CC-BY-SA-3.0"
LANGS = ("en", "fr", "es", "it", "ru")
TEXT_LANGS = ("en", "fr")  # languages whose texts decide the split
FEWEST_WORDS = 2


def packages(langs: Sequence[str]) -> tuple[str, ...]:
    """Packages with the recordings and texts in those of the languages that the source has."""
    return tuple(f"asterisk-core-sounds-{lang}{kind}" for lang in langs if lang in LANGS for kind in ("", "-g722"))


def clips(cache: Path, langs: Sequence[str] = ("fr", "en"), text_langs: Sequence[str] = ()) -> list[Clip]:
    """Prompts of at least two words and 0.3 to 12 seconds, by language and key.

    Translations cover English and French, `langs`, and those of `text_langs` that the source has.
    Raises DataUnavailable where the packages cannot be fetched.
    """
    all_langs = dict.fromkeys((*TEXT_LANGS, *langs, *(lang for lang in text_langs if lang in LANGS)))
    texts = {lang: transcripts(cache, lang) for lang in all_langs}
    return [clip for lang in langs for clip in _spoken(cache, lang, texts)]


def captions(cache: Path, langs: Sequence[str] = TEXT_LANGS) -> dict[str, dict[str, str]]:
    """Prompt name -> language -> transcript; single words too."""
    found: dict[str, dict[str, str]] = {}
    for lang in (lang for lang in langs if lang in LANGS):
        for name, text in transcripts(cache, lang).items():
            found.setdefault(name, {})[lang] = text
    return found


def transcripts(cache: Path, lang: str) -> dict[str, str]:
    """Prompt name -> transcript; noises, silences and names without text are left out."""
    package = f"asterisk-core-sounds-{lang}"
    file = fetch(package, cache) / f"usr/share/doc/{package}/core-sounds-{lang}.txt.gz"
    if not file.is_file():
        raise DataUnavailable(
            f"{file}: missing from the unpacked package {package}; remove the package's folder to fetch it again"
        )
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith(";"))
    return {name.strip(): text.strip() for name, _, text in pairs if _is_speech(text.strip())}


def _is_speech(text: str) -> bool:
    # "[ascending tones]", "(2 seconds of silence)" and "<beep ascending>" describe sounds other than speech.
    return bool(words(text)) and not text.startswith(("[", "(", "<"))


def _spoken(cache: Path, lang: str, texts: dict[str, dict[str, str]]) -> list[Clip]:
    sounds = fetch(f"asterisk-core-sounds-{lang}-g722", cache) / "usr/share/asterisk/sounds"
    found = []
    for path in sorted(sounds.glob("*/**/*.g722")):
        name = path.relative_to(sounds).with_suffix("").as_posix().partition("/")[2]  # below the speaker's folder
        text = texts[lang].get(name, "")
        if len(words(text)) >= FEWEST_WORDS:
            translations = {other: known[name] for other, known in texts.items() if name in known}
            found.append(clip_of_file(SOURCE, f"{SOURCE}:{name}", lang, text, path, translations))
    return [clip for clip in found if clip is not None]
