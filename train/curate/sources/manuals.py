"""Paragraphs of the Debian developer's reference in English and French: running text for a demo corpus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from train.curate.clip import text_key
from train.curate.packages.apt import fetch

SOURCE = "man"
LICENCE = "GPL-2+"
FOLDERS = {
    "en": ("developers-reference", "usr/share/developers-reference"),
    "fr": ("developers-reference-fr", "usr/share/developers-reference/fr"),
}
LANGS = tuple(FOLDERS)
SHORTEST, LONGEST = 40, 700  # characters
NOT_CHAPTERS = {"developers-reference.html", "index.html", "search.html", "genindex.html"}


@dataclass(frozen=True)
class Paragraph:
    lang: str
    text: str
    origin: str  # package, page and section


def paragraphs(cache: Path, langs: Sequence[str] = ("en", "fr")) -> list[Paragraph]:
    """Distinct paragraphs of 40 to 700 characters, in reading order of each language.

    An untranslated paragraph counts as English.  Raises DataUnavailable where the packages cannot be fetched.
    """
    seen = {text_key(text) for text, _ in _texts(cache, "en")} if langs and "en" not in langs else set()
    found = []
    for lang in sorted(langs):  # English first, so that untranslated paragraphs of the others are recognised.
        for text, origin in _texts(cache, lang):
            if SHORTEST <= len(text) <= LONGEST and text_key(text) not in seen:
                seen.add(text_key(text))
                found.append(Paragraph(lang, text, origin))
    return found


def packages(langs: Sequence[str]) -> tuple[str, ...]:
    """Packages of those of the languages that the source has."""
    return tuple(FOLDERS[lang][0] for lang in langs if lang in FOLDERS)


def aligned(cache: Path, langs: Sequence[str] = ("en", "fr")) -> dict[str, dict[str, str]]:
    """Place -> language -> the same paragraph, of sections with equally many paragraphs in all the languages.

    Of the same lengths as those of `paragraphs`; a paragraph whose texts are equal in two languages is left out.
    """
    sections = {lang: _sections(cache, lang) for lang in langs}
    found = {}
    for place in set.intersection(*(set(one) for one in sections.values())):
        columns = [sections[lang][place] for lang in langs]
        if len({len(column) for column in columns}) == 1:
            for number, texts in enumerate(zip(*columns, strict=True)):
                usable = all(SHORTEST <= len(text) <= LONGEST for text in texts)
                if usable and len({text_key(text) for text in texts}) == len(texts):
                    found[f"{place}/{number}"] = dict(zip(langs, texts, strict=True))
    return dict(sorted(found.items()))


def _sections(cache: Path, lang: str) -> dict[str, list[str]]:
    """Page and section -> its paragraphs."""
    found: dict[str, list[str]] = {}
    for text, origin in _texts(cache, lang):
        found.setdefault(origin.partition("/")[2], []).append(text)
    return found


def _texts(cache: Path, lang: str) -> Iterator[tuple[str, str]]:
    package, folder = FOLDERS[lang]
    for page in sorted((fetch(package, cache) / folder).glob("*.html")):
        if page.name not in NOT_CHAPTERS:
            reader = _Paragraphs()
            reader.feed(page.read_text(encoding="utf-8"))
            yield from ((text, f"{package}/{page.name}#{section}") for text, section in reader.found)


class _Paragraphs(HTMLParser):
    """Collects the text of each `<p>` with the id of its section."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._sections = [""]
        self._parts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self._sections.append(dict(attrs).get("id") or self._sections[-1])
        elif tag == "p":
            self._parts = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._sections.pop()
        elif tag == "p" and self._parts is not None:
            self.found.append((" ".join("".join(self._parts).split()), self._sections[-1]))
            self._parts = None

    def handle_data(self, data: str) -> None:
        if self._parts is not None:
            self._parts.append(data)
