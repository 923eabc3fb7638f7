"""Bags (BagIt, RFC 8493): a folder with bagit.txt, the files of the archive below data/, and their checksums.

    bag/bagit.txt  bag/bag-info.txt  bag/manifest-sha256.txt  bag/data/...

Only the files below data/ are inputs.  Each is compared with its checksum when it is listed for the first time.
"""

import hashlib
import re
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from embed.archive.spellings import alike
from embed.errors import DescriptionError
from embed.storage import store

DECLARATION, PAYLOAD = "bagit.txt", "data/"
_ALGORITHMS = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5")  # the strongest first
_LINE = re.compile(r"\s*([0-9a-fA-F]+)\s+\*?(?:\./)?(.+?)\s*")
_ESCAPED = re.compile("%(0[aAdD]|25)")
_NAMES = {"external-description": "description", "external-identifier": "identifier"}
_PLAIN = frozenset({"title", "date", "language", "creator", "artist", "album", "description", "identifier", "rights"})
# About the bag, or about persons: not for each row.
_LEFT_OUT = re.compile(r"(bag|payload|contact|bagit)-.*|bagging-date|internal-sender-.*", re.IGNORECASE)


@dataclass
class Bag:
    """A bag: the checksums of its files by url, its problems by url, and the fields of bag-info.txt."""

    folder: str  # url, with its last slash
    manifest: str | None  # url
    checksums: dict[str, str] = field(default_factory=dict)  # "sha256:..."
    missing: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    def checksum(self, url: str) -> str:
        """The checksum that the manifest states of a file.  Raises DescriptionError where it states none."""
        if self.manifest is None:
            raise DescriptionError(
                f"{url}: the bag {self.folder} has no manifest with a known checksum ({', '.join(_ALGORITHMS)}): make"
                " one, or remove `bag` from `metadata_from`"
            )
        if url not in self.checksums:
            raise DescriptionError(f"{url}: not in {self.manifest}: add it there, or move it out of the bag")
        return self.checksums[url]


def bags_of(urls: Iterable[str]) -> dict[str, list[str]]:
    """The folders with bagit.txt, with their last slash, and the files in each; a bag within another is its payload."""
    all_urls = list(urls)
    folders = {url.removesuffix(DECLARATION) for url in all_urls if url.endswith(f"/{DECLARATION}")}
    found: dict[str, list[str]] = {}
    for url in all_urls if folders else ():
        if (folder := folder_of(url, folders)) is not None:
            found.setdefault(folder, []).append(url)
    return found


def folder_of(url: str, folders: Container[str]) -> str | None:
    """The outermost of these folders that a file is in."""
    slashes = (at + 1 for at, char in enumerate(url) if char == "/")
    return next((url[:end] for end in slashes if url[:end] in folders), None)


def read_bag(folder: str, urls: Collection[str]) -> Bag:
    """The bag in a folder; `urls` are all files in it."""
    names = {url[len(folder) :].lower(): url for url in urls if "/" not in url[len(folder) :]}
    algorithm = next((one for one in _ALGORITHMS if f"manifest-{one}.txt" in names), None)
    bag = Bag(folder, names[f"manifest-{algorithm}.txt"] if algorithm else None)
    if info := names.get("bag-info.txt"):
        bag.fields = _info(_text(info))
    if bag.manifest is None:
        return bag
    stated = dict(_lines(bag.manifest, _text(bag.manifest)))
    known = set(urls)
    absent = [path for path in stated if f"{folder}{path}" not in known]
    spelled = alike([f"{folder}{path}" for path in absent], known)
    to_fetch = _text(names["fetch.txt"]) if absent and "fetch.txt" in names else ""
    for path, checksum in stated.items():
        others = spelled.get(f"{folder}{path}", [])
        url = others[0] if len(others) == 1 else f"{folder}{path}"
        if url in known:
            bag.checksums[url] = f"{algorithm}:{checksum}"
        else:
            cure = "fetch.txt has its address: fetch it" if path in to_fetch else "restore it, or correct the manifest"
            bag.missing[url] = f"{url}: missing from the bag; {bag.manifest} names it; {cure}"
    return bag


def check_checksum(url: str, version: str, stated: str) -> None:
    """Raises DescriptionError where the bytes of a file, at this content version, have another checksum."""
    algorithm, _, checksum = stated.partition(":")
    found = _checksum(url, version, algorithm)
    if found != checksum:
        raise DescriptionError(
            f"{url}: its {algorithm} is {found}, the bag's manifest states {checksum}: the file was changed or is"
            " damaged; restore it, or make the bag again"
        )


@lru_cache(maxsize=64)
def _checksum(url: str, version: str, algorithm: str) -> str:
    with store.open_input(url) as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()  # type: ignore[arg-type]  # all have `readinto`


def _lines(url: str, text: str) -> Iterator[tuple[str, str]]:
    """Path and checksum."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise DescriptionError(f"{url}: line {number} is not `<checksum> <path>`; make the manifest again")
        yield _ESCAPED.sub(lambda code: chr(int(code[1], 16)), found[2]), found[1].lower()


def _info(text: str) -> dict[str, str]:
    """Fields of bag-info.txt; a line that begins with a space continues the one before, repeated fields are joined."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        label, colon, value = line.partition(":")
        if line[:1].isspace() and name:
            found[name][-1] = f"{found[name][-1]} {line.strip()}".strip()
        elif colon and label.strip():
            name = _name(label.strip())
            found.setdefault(name, []).append(value.strip())
    return {
        name: "; ".join(dict.fromkeys(texts))
        for name, values in found.items()
        if not _LEFT_OUT.fullmatch(name) and (texts := [one for one in values if one])
    }


def _name(label: str) -> str:
    plain = label.lower().removeprefix("dc-").removeprefix("dc:")
    return _NAMES.get(plain, plain if plain in _PLAIN else label)


def _text(url: str) -> str:
    """The text of a tag file; one that is not UTF-8 is Western."""
    data = store.read_bytes(url)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
