r"""Spellings of a name: the same letters in NFC or NFD, in upper or lower case, with `\` or `/` between folders.

A list or a side file that was written on another system names its recordings by other bytes.  A name that no file has
is taken for the one file that differs only in spelling; of several, none is chosen.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

_FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
_SLASHES = re.compile("/+")


def alike(missing: Iterable[str], existing: Iterable[str]) -> dict[str, list[str]]:
    """Of each missing url the existing urls that differ from it only in spelling."""
    forms = {url: folded(url) for url in missing}
    found: dict[str, list[str]] = {name: [] for name in forms.values()}
    for url in existing if forms else ():
        if (same := found.get(folded(url))) is not None:
            same.append(url)
    return {url: found[name] for url, name in forms.items()}


def other_spellings(url: str) -> list[str]:
    """Urls to try where the folder is not listed: all but those of other cases."""
    slashed = (url, _slashed(url))
    forms = (unicodedata.normalize(form, one) for one in slashed for form in _FORMS)
    return [one for one in dict.fromkeys((*slashed, *forms)) if one != url]


def similar_in_words(urls: Iterable[str]) -> str:
    """`; similar: a.wav, A.wav; ...`, the end of a message; empty where there are none."""
    names = ", ".join(urls)
    return f"; similar: {names}; write the name as its file has it" if names else ""


def folded(url: str) -> str:
    """The form that all spellings of a name share."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", _slashed(url)).casefold())


def _slashed(url: str) -> str:
    scheme, colon, path = url.rpartition("://")
    return f"{scheme}{colon}{_SLASHES.sub('/', path.replace(chr(92), '/'))}"
