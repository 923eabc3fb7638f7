"""Passages for the index bench: paragraphs of installed documentation and glosses of a dictionary, in seven languages.

The texts belong to their owners (GPL, BSD, PSF, WordNet and other free licences): apt fetches them on the user's
machine, and they are never part of the project.  Each text occurs once, short and long ones are left out, and the order
is that of a hash, so that the first n are a sample of all.
"""

import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from train.curate.packages.apt import fetch

GLOSSES = "wordnet-base"
# Packages for 100,000 passages; with those of MORE there are a million.
FEW = (
    "debian-handbook",
    "gimp-help-de",
    "gimp-help-en",
    "gimp-help-es",
    "gimp-help-fr",
    "gimp-help-it",
    "gimp-help-ru",
    "libreoffice-help-de",
    "libreoffice-help-en-us",
    "libreoffice-help-es",
    "libreoffice-help-fr",
    "libreoffice-help-pt",
    "libreoffice-help-ru",
    "postgresql-doc-15",
    "python3.11-doc",
)
MORE = ("linux-doc-6.1", "octave-doc", "openjdk-17-doc", "rust-doc", "sagemath-doc")
SHORTEST, LONGEST = 40, 500  # characters
SPAN_WORDS = (5, 12)
ENGLISH = "en"
LANGUAGES = ("de", "en", "es", "fr", "it", "pt", "ru")

_BLOCK = re.compile(r"<(p|li|dd|td)\b[^>]*>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def passages(cache: Path, packages: Sequence[str] = FEW) -> dict[str, str]:
    """Distinct passages of these packages and of the dictionary, each with the language of its package.

    Raises DataUnavailable where apt cannot get them.
    """
    found = dict.fromkeys(_glosses(fetch(GLOSSES, cache)), ENGLISH)
    for package in packages:
        language = next((part for part in package.split("-") if part in LANGUAGES), ENGLISH)
        for text in _paragraphs(fetch(package, cache)):
            found.setdefault(text, language)
    return {text: found[text] for text in sorted(found, key=_digest)}


def spans(texts: Sequence[str], seed: int = 7) -> list[str]:
    """5 to 12 successive words of each text, as typed by a user who remembers a part of it."""
    rng = np.random.default_rng(seed)
    cut = []
    for words in (text.split() for text in texts):
        count = int(rng.integers(SPAN_WORDS[0], SPAN_WORDS[1] + 1))
        start = int(rng.integers(0, max(1, len(words) - count)))
        cut.append(" ".join(words[start : start + count]))
    return cut


def _paragraphs(folder: Path) -> Iterator[str]:
    for page in sorted(folder.rglob("*.html")):
        if page.is_file():
            for _, inner in _BLOCK.findall(page.read_text(encoding="utf-8", errors="replace")):
                yield from _kept(html.unescape(_TAG.sub("", inner)))


def _glosses(folder: Path) -> Iterator[str]:
    """Glosses of the dictionary: one meaning a line, after the bar."""
    for file in sorted(folder.rglob("data.*")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.startswith(" "):
                yield from _kept(line.partition("|")[2])


def _kept(text: str) -> Iterator[str]:
    text = " ".join(text.split())
    if SHORTEST <= len(text) <= LONGEST:
        yield text


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
