"""Names from Unicode's CLDR in most languages of the world: emoji, countries, days, units, currencies.

Numbers are written in digits; each item has one number, chosen where the languages' plural forms agree.
"""

import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from train.curate.clip import words
from train.curate.packages.apt import fetch

LICENCE = "Unicode-DFS-2016"
PACKAGE = "unicode-cldr-core"
INHERITED = "↑"  # marks a text that a language inherits from its parent
SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")  # Skin tones: five more names of the same gesture.
ABBREVIATED = ("short", "narrow")
CURRENCIES = re.findall(
    r"\w+",
    "USD EUR GBP JPY CHF RUB BGN BYN RON DKK SEK NOK PLN CZK HUF TRY CNY INR BRL MXN ARS CAD AUD MAD TND EGP ILS KRW",
)
# Numbers of the form `many` in the Slavic languages that have it, and of `other` elsewhere.
NUMBERS = (5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 18, 19, 25, 26, 27, 28, 29, 30, 40, 50, 60, 70, 80, 90)
MANY = ("be", "ru", "uk", "pl")

Texts = dict[str, dict[str, str]]  # key -> language -> text


def names(cache: Path, langs: Sequence[str]) -> Texts:
    """`cldr:1F34E` and the like -> language -> name of the emoji."""
    found: Texts = {}
    for lang in langs:
        for folder in ("annotations", "annotationsDerived"):
            for sign, text in _annotations(_common(cache) / folder / f"{lang}.xml"):
                key = "cldr:" + "-".join(f"{ord(letter):X}" for letter in sign)
                found.setdefault(key, {}).setdefault(lang, text)
    return found


def words_of_locales(cache: Path, langs: Sequence[str]) -> Texts:
    """`cldrmain:territory/FR` and the like: countries, languages, months, days, times, units and currencies."""
    found: Texts = {}
    for lang in langs:
        file = _common(cache) / "main" / f"{lang}.xml"
        if file.is_file():
            root = ET.parse(file).getroot()
            for kind, code, text in (*_names(root), *_calendar(root), *_counted(root, lang)):
                key = f"cldrmain:{kind}/{code}"
                number = NUMBERS[zlib.crc32(key.encode()) % len(NUMBERS)]
                found.setdefault(key, {}).setdefault(lang, text.replace("{0}", str(number)))
    return found


def _common(cache: Path) -> Path:
    return fetch(PACKAGE, cache) / "usr/share/unicode/cldr/common"


def _annotations(file: Path) -> Iterator[tuple[str, str]]:
    if file.is_file():
        for found in ET.parse(file).iter("annotation"):
            sign, text = found.get("cp", ""), (found.text or "").strip()
            if found.get("type") == "tts" and _plain(text) and not (len(sign) > 1 and SKIN.search(sign)):
                yield sign, text


def _names(root: ET.Element) -> Iterator[tuple[str, str, str]]:
    for kind, folder in (("territory", "territories"), ("language", "languages")):
        for found in root.iterfind(f"localeDisplayNames/{folder}/{kind}"):
            code = found.get("type", "")
            if found.get("alt") is None and (kind == "territory" or len(code) == 2) and _plain(found.text):
                yield kind, code, found.text or ""


def _calendar(root: ET.Element) -> Iterator[tuple[str, str, str]]:
    calendar = "dates/calendars/calendar[@type='gregorian']"
    for kind in ("month", "day"):
        for context in ("stand-alone", "format"):  # The stand-alone form, where there is one.
            wide = f"{kind}s/{kind}Context[@type='{context}']/{kind}Width[@type='wide']/{kind}"
            for found in root.iterfind(f"{calendar}/{wide}"):
                if _plain(found.text):
                    yield kind, found.get("type", ""), found.text or ""
    for field in root.iterfind("dates/fields/field"):
        if field.get("type", "").rpartition("-")[2] not in ABBREVIATED:
            for found in field.iterfind("relative"):
                if _plain(found.text):
                    yield "relative", f"{field.get('type')}{found.get('type')}", found.text or ""


def _counted(root: ET.Element, lang: str) -> Iterator[tuple[str, str, str]]:
    for field in root.iterfind("dates/fields/field"):
        if field.get("type", "").rpartition("-")[2] not in ABBREVIATED:
            for found in field.iterfind("relativeTime"):
                yield from _form("time", f"{field.get('type')}-{found.get('type')}", found, "relativeTimePattern", lang)
    for found in root.iterfind("units/unitLength[@type='long']/unit"):
        yield from _form("unit", found.get("type", ""), found, "unitPattern", lang)
    for found in root.iterfind("numbers/currencies/currency"):
        if found.get("type") in CURRENCIES:
            for kind, code, text in _form("money", found.get("type", ""), found, "displayName", lang):
                yield kind, code, f"{{0}} {text}"


def _form(kind: str, code: str, place: ET.Element, tag: str, lang: str) -> Iterator[tuple[str, str, str]]:
    """The plural form for the numbers of `NUMBERS`, in the nominative."""
    forms = {found.get("count"): found.text or "" for found in place.iterfind(tag) if found.get("case") is None}
    text = forms.get("many" if lang in MANY else "other", "")
    if _plain(text) and (kind == "money" or "{0}" in text):
        yield kind, code, text


def _plain(text: str | None) -> bool:
    return bool(text) and INHERITED not in str(text) and bool(words(str(text)))
