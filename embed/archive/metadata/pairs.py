"""Pairs of XML files and the files that they describe, by their names.

`a.mp3.xml` describes `a.mp3`, and `a.xml` every file `a.*`; so do `a.pbcore.xml` and `a_dc.xml`.
"""

from collections.abc import Iterable, Mapping

from embed.archive.spellings import alike

_ENDS = tuple(
    f"{mark}{name}" for name in ("dc", "dublincore", "ebucore", "pbcore", "metadata", "meta") for mark in "._-"
)


def described_files(records: Iterable[str], files: Iterable[str]) -> dict[str, list[str]]:
    """The files that each XML file describes, where there are any; also in another spelling, where no other fits."""
    names: dict[str, list[str]] = {}
    for one in sorted(files):
        for name in (one, _stem(one)):
            names.setdefault(name, []).append(one)
    found = {url: next((names[base] for base in _bases(url) if base in names), []) for url in records}
    spelled = alike((base for url, of in found.items() if not of for base in _bases(url)), names)
    for url in [url for url, of in found.items() if not of]:
        found[url] = _all_of(names, (other for base in _bases(url) for other in spelled[base]))
    return {url: of for url, of in found.items() if of}


def _all_of(names: Mapping[str, list[str]], some: Iterable[str]) -> list[str]:
    return sorted({file for name in some for file in names[name]})


def _stem(url: str) -> str:
    folder, slash, name = url.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def _bases(url: str) -> tuple[str, ...]:
    base = url[: -len(".xml")]
    bare = next((base[: -len(end)] for end in _ENDS if base.lower().endswith(end)), None)
    return (base,) if bare is None else (base, bare)
