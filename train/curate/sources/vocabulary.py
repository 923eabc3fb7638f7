"""Vocabulary of synthetic speech: many short texts, each with its translations into many languages.

- Tux Paint's captions, names of emoji, words of locales (both CLDR), names of places on the map (iD's schema).
- An item is left out whole where one of its texts, in any language, is in dev or test of a recorded source.
- The order does not depend on the caller's languages, so that the first thousand stay the first thousand.
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

# Always read, whatever the caller's languages, since all are compared with the held-out texts.
LANGS = ("fr", "es", "en", "bg", "el", "be", "ru", "ro", "ca", "it", "de", "pt", "da", "nl", "lt")
IDENTITY_LANGS = ("en", "fr", "es")  # Items with equal texts in these are one item.
FEWEST_LANGS = 4  # of words of locales and names on the map: items in fewer languages are only of local use
HELD_OUT = "synthetic speech: one of its texts is in dev or test"
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

HeldOut = Collection[tuple[str, str]]  # language and `core` of a text


@dataclass(frozen=True)
class Entry:
    """`key` begins with `tux:`, `cldr:`, `cldrmain:` or `id:`; texts by language."""

    key: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Vocabulary:
    entries: list[Entry] = field(default_factory=list)  # captions first, then things, then abstract words
    dropped: list[Dropped] = field(default_factory=list)


def vocabulary(
    cache: Path,
    langs: Sequence[str],
    held_out: HeldOut,
    held_out_keys: Collection[str] = (),
    read: "Read | None" = None,
) -> Vocabulary:
    """Every item with no held-out text in any language, with its texts in `LANGS` and `langs`.

    Texts that cannot be fetched on this machine are left out with a warning; `read` replaces the sources of texts.
    """
    found: dict[str, dict[str, str]] = (read or _everything)(cache, tuple(dict.fromkeys((*LANGS, *langs))))
    entries = [Entry(key, _speakable(texts)) for key, texts in found.items()]
    out = Vocabulary()
    for entry in _distinct(sorted(entries, key=lambda one: (_rank(one.key), zlib.crc32(one.key.encode()), one.key))):
        texts = entry.texts.items()
        if entry.key in held_out_keys or any((lang, core(lang, text)) in held_out for lang, text in texts):
            out.dropped.append(Dropped(entry.key, HELD_OUT))
        else:
            out.entries.append(entry)
    return out


def core(lang: str, text: str) -> str:
    """The lower-case words after leading articles: "The frog!" and "a frog" have the same core."""
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
            log.warning("synthetic speech without %s: %s", what, error)
        else:
            found |= {key: known for key, known in texts.items() if len(known.keys() & {*LANGS}) >= fewest}
    return found


def _captions(cache: Path, langs: Sequence[str]) -> dict[str, dict[str, str]]:
    return {f"{tuxpaint.SOURCE}:{name}": texts for name, texts in tuxpaint.captions(cache, langs).items()}


def _rank(key: str) -> int:
    """Captions, then things, then abstract words."""
    return 0 if key.startswith("tux:") else 1 if key.startswith(("cldr:", "id:preset", "id:category")) else 2


def _speakable(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts that have letters, with single blanks."""
    return {lang: " ".join(text.split()) for lang, text in texts.items() if LETTER.search(text)}


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    seen: set[tuple[str, ...]] = set()
    distinct = []
    for entry in entries:
        identity = tuple(text_key(entry.texts.get(lang, "")) for lang in IDENTITY_LANGS)
        if entry.texts and (not any(identity) or identity not in seen):
            distinct.append(entry)
        seen.add(identity)
    return distinct
