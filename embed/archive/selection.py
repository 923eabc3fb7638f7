"""Selection of an input's files: by its globs, without hidden files, pictures and other side files.

Every file that is passed over is kept with its kind, so that nothing is left out without a word.  A glob is compared
with the path below the input's url, where case counts:
- `*`, `?` and `[ab]` match inside a name, `**` any number of folders;
- a glob without `/` matches a name at any depth, `*.mp3`; one that begins with `/` only at the top;
- a glob that matches a folder includes all below it: `drafts`, `2024/*`.
"""

import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import pyarrow as pa
import pyarrow.compute as pc

from embed.archive.inputs import InputSpec
from embed.file_kinds import side_kind
from embed.storage.store import Entry

EXCLUDED, UNSELECTED, REPEATED = "excluded file", "unselected file", "repeated folder"


@dataclass(frozen=True)
class Selection:
    """The files of an input to embed, the kinds of the others by url, and globs without a match."""

    kept: list[Entry]
    passed_over: dict[str, str]
    unused: tuple[str, ...]
    single: bool = False  # the url is that of a file: no glob or kind applies
    numbered: bool = False  # the url is that of several: no kind applies

    def in_words(self) -> str:
        """`12 pictures, 3 hidden files`."""
        return in_words(Counter(self.passed_over.values()))


def select(spec: InputSpec, root: str, entries: Iterable[Entry]) -> Selection:
    """Choose from a listing of the folder `root`.

    A folder that cannot be listed is kept unless it is excluded: nobody knows what is in it.
    """
    include, exclude = _Globs("include", spec.include), _Globs("exclude", spec.exclude)
    kept, passed_over = list(entries), dict[str, str]()
    if [entry.url for entry in kept] == [root]:
        return Selection(kept, passed_over, (*include.unused, *exclude.unused), single=True)
    for entry in kept:
        path = entry.url[len(root) :].strip("/")
        kind = _kind(entry, path, exclude.match(path), not spec.include or include.match(path))
        if kind:
            passed_over[entry.url] = kind
    kept = [entry for entry in kept if entry.url not in passed_over]
    return Selection(kept, passed_over, (*include.unused, *exclude.unused))


def without(chosen: Selection, files: Container[str], kind: str) -> Selection:
    """The selection with these files passed over too."""
    gone = {entry.url: kind for entry in chosen.kept if entry.url in files}
    kept = [entry for entry in chosen.kept if entry.url not in gone]
    return replace(chosen, kept=kept, passed_over={**chosen.passed_over, **gone}) if gone else chosen


def kinds_of(passed_over: pa.Table) -> dict[str, int]:
    """Number of files of each kind in PASSED_OVER, the most frequent first."""
    counts = pc.value_counts(passed_over["kind"].combine_chunks()).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: (-one["counts"], one["values"]))}


def in_words(counts: Mapping[str, int]) -> str:
    """`12 pictures, 1 hidden file`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {kind}{'' if count == 1 else 's'}" for kind, count in ordered)


def _kind(entry: Entry, path: str, is_excluded: bool, is_included: bool) -> str | None:
    """Why it is passed over."""
    if is_excluded:
        return EXCLUDED
    if entry.repeats is not None:
        return REPEATED
    is_closed_folder = entry.problem is not None and entry.url.endswith("/")
    return side_kind(path) or (None if is_included or is_closed_folder else UNSELECTED)


class _Globs:
    """Globs of a field of an input; `unused` names those that have matched nothing yet."""

    def __init__(self, field: str, globs: Sequence[str]) -> None:
        self._names = {f"`{field}: {glob}`": _names(glob) for glob in globs}
        self.unused = dict.fromkeys(self._names)

    def match(self, path: str) -> bool:
        """Whether one of them matches the path or a folder above it."""
        if not self._names:
            return False
        names = _normal(path).split("/")
        matching = [glob for glob, wanted in self._names.items() if _matches(wanted, names)]
        for glob in matching:
            self.unused.pop(glob, None)
        return bool(matching)


def _names(glob: str) -> list[str]:
    names = _normal(glob).rstrip("/").split("/")
    return names[1:] if not names[0] else names if len(names) > 1 else ["**", *names]


def _matches(wanted: list[str], names: list[str]) -> bool:
    if not wanted:
        return True
    if wanted[0] == "**":
        return any(_matches(wanted[1:], names[first:]) for first in range(len(names)))
    return bool(names) and fnmatchcase(names[0], wanted[0]) and _matches(wanted[1:], names[1:])


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
