"""Samples in a tar: members with one key and several suffixes, as WebDataset writes them.

    a.flac a.json a.txt a.cls      a recording; the json's fields and the others describe it, the txt is its transcript

- The key of a member is its path up to the first dot of its name.  Of the members with one key, recordings are assets,
  or else texts, and the others describe each whose name begins with theirs, or theirs with its.
- In a tar, names decide as in a folder (`embed.file_kinds`); but next to a recording only known suffixes describe it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embed.archive.sound_tables import TEXTS, TableSound, described
from embed.archive.tars.index import Kind, TarIndex
from embed.file_kinds import is_sound, modality_of, side_kind
from embed.tables import TEXT
from embed.text.documents import refuse_halves

_TRANSCRIPT = "txt"
_JSON = ("json", "jsn")
_PARTS = frozenset(
    {
        *(*_JSON, _TRANSCRIPT, *TEXTS),
        *("cls", "cls2", "class", "count", "index", "inx", "id", "lang", "language", "speaker", "gender"),
    }
)
_PART_BYTES = 1 << 20
_KINDS = {Kind.LINK: "link", Kind.SPECIAL: "special member", Kind.REPLACED: "replaced member"}


@dataclass
class Samples:
    """Places of members in the index: assets, each with those that describe it, and kinds of what is passed over."""

    assets: dict[int, list[int]] = field(default_factory=dict)
    passed_over: dict[int, str] = field(default_factory=dict)


def samples_of(index: TarIndex, modality: str, is_listed: Callable[[int], int]) -> Samples:
    """`modality` is that of the input; what a list names is left out, and so is what describes it."""
    names: list[str] = index.names.to_pylist()
    kinds = [Kind(kind) for kind in index.kinds.tolist()]
    heads = _heads(names, kinds, modality)
    found, owners = Samples(), dict[int, list[int]]()
    for place, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        own = [] if kind != Kind.FILE or place in heads.places else heads.of(name)
        small = index.sizes[place] <= _PART_BYTES
        if kind in _KINDS:
            found.passed_over[place] = _KINDS[kind]
        elif own and small and _suffix(name) in _PARTS:
            owners[place] = own
        elif (reason := _reason(name, modality)) is None and not (modality_of(name) != TEXT and _is_part(name, own)):
            found.assets[place] = []
        else:
            found.passed_over[place] = reason or "part of a sample"
    for part, own in owners.items():
        for head in own:
            found.assets[head].append(part)
    found.assets = {place: parts for place, parts in found.assets.items() if not is_listed(place)}
    return found


def describe(
    parts: Sequence[tuple[str, bytes]], columns: Mapping[str, str], is_sound: bool
) -> tuple[TableSound, list[tuple[int, str]]]:
    """Text, language and metadata from the members that describe an asset, and which of them are broken, and why."""
    record, broken = dict[str, Any](), list[tuple[int, str]]()
    for number, (name, data) in enumerate(parts):
        try:
            record |= _fields(_suffix(name), data)
        except ValueError as error:
            broken.append((number, " ".join(str(error).split())))
    texts = (_TRANSCRIPT, *TEXTS) if is_sound else ()
    return described(record, columns if is_sound else {}, texts=texts), broken


def _fields(suffix: str, data: bytes) -> dict[str, Any]:
    """Raises ValueError with the reason."""
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if suffix not in _JSON:
        return {suffix: text}
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("its JSON is no object")
    refuse_halves(*(one for pair in found.items() for one in pair if isinstance(one, str)))
    return found


@dataclass
class _Heads:
    """The members that others describe, by key."""

    places: dict[int, str] = field(default_factory=dict)  # their names
    by_key: dict[str, list[int]] = field(default_factory=dict)

    def add(self, place: int, name: str) -> None:
        self.places[place] = name
        self.by_key.setdefault(_key(name), []).append(place)

    def of(self, name: str) -> list[int]:
        """Those that a member of this name may describe."""
        near = self.by_key.get(_key(name), ())
        return [place for place in near if _together(self.places[place], name)]


def _heads(names: Sequence[str], kinds: Sequence[Kind], modality: str) -> _Heads:
    heads = _Heads()
    files = [(place, name) for place, name in enumerate(names) if kinds[place] == Kind.FILE and not _side_kind(name)]
    for place, name in files if modality != TEXT else ():
        if is_sound(name):
            heads.add(place, name)
    with_sound = set(heads.by_key)
    for place, name in files:
        if modality_of(name) == TEXT and _key(name) not in with_sound:
            heads.add(place, name)
    return heads


def _reason(name: str, modality: str) -> str | None:
    """Why a member is passed over, as a file in a folder would be."""
    if modality == TEXT and modality_of(name) != TEXT:
        return _side_kind(name) or ("recording" if is_sound(name) else "other member")
    return _side_kind(name)


def _is_part(name: str, own: Sequence[int]) -> bool:
    """Whether it is no recording: its suffix says so, or it is next to one."""
    return bool(own) or _suffix(name) in _PARTS


def _side_kind(name: str) -> str | None:
    return side_kind("/".join(part for part in name.split("/") if part not in ("", ".", "..")))


def _together(one: str, other: str) -> bool:
    return other.startswith(f"{_stem(one)}.") or one.startswith(f"{_stem(other)}.")


def _key(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _suffix(name: str) -> str:
    """In lower case, without its dot."""
    return name.rpartition("/")[2].rpartition(".")[2].lower()
