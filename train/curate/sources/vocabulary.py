"""Many short texts in many languages, each item the same in all of them: what synthetic speech says.

- Tux Paint's captions, names of emoji, words of locales (both CLDR), names of places on the map (iD's schema).
- Nothing that dev or test of any recorded source says, in any of the languages: such an item is left out whole.
- In an order that does not depend on what is asked for, so that the first thousand stay the first thousand.
"""

import logging
import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embed.errors import DataUnavailable
from train.curate.clip import text_key, words
from train.curate.dropped import Dropped
from train.curate.sources import cldr, tagging, tuxpaint

log = logging.getLogger(__name__)

# Read whatever is asked for, since all are compared with what is held out.
LANGS = ("fr", "es", "en", "bg", "el", "be", "ru", "ro", "ca", "it", "de", "pt", "da", "nl", "lt")
TELLING = ("en", "fr", "es")  # Items that say the same in these are one.
FEWEST_LANGS = 4  # of words of locales and names on the map: less is a local matter
HELD_OUT = "synthetic speech: one of its texts is one of dev or test"
LICENCES = {
    **dict.fromkeys(tuxpaint.packages(()), tuxpaint.LICENCE),
    cldr.PACKAGE: cldr.LICENCE,
    tagging.PACKAGE: tagging.LICENCE,
}
LETTER = re.compile(r"[^\W\d_]")
ARTICLES = {
    "fr": "le la les l un une des du de d",
    "es": "el la los las un una unos unas",
    "en": "a an the some",
    "el": "ο η το οι τα ένας μια μία ένα",
    "it": "il lo la i gli le l un uno una",
    "de": "der die das ein eine",
    "ca": "el la els les l un una uns unes",
    "ro": "un o niște",
    "pt": "o a os as um uma",
    "da": "en et den det",
    "nl": "de het een",
}

Held = Collection[tuple[str, str]]  # language and `core` of a text


@dataclass(frozen=True)
class Entry:
    """`key` begins with `tux:`, `cldr:`, `cldrmain:` or `id:`; texts by language."""

    key: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Vocabulary:
    entries: list[Entry] = field(default_factory=list)  # the plainest first
    dropped: list[Dropped] = field(default_factory=list)


def vocabulary(
    cache: Path, langs: Sequence[str], held: Held, held_keys: Collection[str] = (), read: "Read | None" = None
) -> Vocabulary:
    """Every item but those that say in any language what is held out, with its texts in `LANGS` and `langs`.

    Texts that cannot be had on this machine are left out with a warning; `read` reads others instead.
    """
    found: dict[str, dict[str, str]] = (read or _everything)(cache, tuple(dict.fromkeys((*LANGS, *langs))))
    entries = [Entry(key, _speakable(texts)) for key, texts in found.items()]
    out = Vocabulary()
    for entry in _distinct(sorted(entries, key=lambda one: (_rank(one.key), zlib.crc32(one.key.encode()), one.key))):
        if entry.key in held_keys or any((lang, core(lang, text)) in held for lang, text in entry.texts.items()):
            out.dropped.append(Dropped(entry.key, HELD_OUT))
        else:
            out.entries.append(entry)
    return out


def core(lang: str, text: str) -> str:
    """Its lower-case words behind leading articles: "The frog!" and "a frog" have the same."""
    found = words(text)
    articles = ARTICLES.get(lang, "").split()
    first = next((i for i, word in enumerate(found) if word not in articles), 0)
    return " ".join(found[first:])


Read = Callable[[Path, Sequence[str]], dict[str, dict[str, str]]]


def _everything(cache: Path, langs: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for what, read, fewest in (
        ("Tux Paint's captions", _captions, 1),
        ("CLDR's names of emoji", cldr.names, 1),
        ("CLDR's words of locales", cldr.words_of_locales, FEWEST_LANGS),
        ("names of iD's tagging schema", tagging.names, FEWEST_LANGS),
    ):
        try:
            texts = read(cache, langs)
        except DataUnavailable as error:
            log.warning("synthetic speech does without %s: %s", what, error)
        else:
            found |= {key: known for key, known in texts.items() if len(known.keys() & {*LANGS}) >= fewest}
    return found


def _captions(cache: Path, langs: Sequence[str]) -> dict[str, dict[str, str]]:
    return {f"{tuxpaint.SOURCE}:{name}": texts for name, texts in tuxpaint.captions(cache, langs).items()}


def _rank(key: str) -> int:
    """Captions, then things, then what is abstract."""
    return 0 if key.startswith("tux:") else 1 if key.startswith(("cldr:", "id:preset", "id:category")) else 2


def _speakable(texts: Mapping[str, str]) -> dict[str, str]:
    """Those with letters, blanks plain."""
    return {lang: " ".join(text.split()) for lang, text in texts.items() if LETTER.search(text)}


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    seen: set[tuple[str, ...]] = set()
    kept = []
    for entry in entries:
        telling = tuple(text_key(entry.texts.get(lang, "")) for lang in TELLING)
        if entry.texts and (not any(telling) or telling not in seen):
            kept.append(entry)
        seen.add(telling)
    return kept
