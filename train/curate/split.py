"""Data split of recorded prompts: no prompt and no text is in two parts, whatever the order of the clips.

Keys of one source are joined when they share a text, in any language, by its lower-case words.  The md5 of a group's
smallest key, mod 8, gives the part: 0 and 4 test, 1 dev, the rest train.  Choose on dev; score test once.

Pass all clips of a source in one call: a text joins two groups only where its clip is among them.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from train.curate.clip import Clip, text_key

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")
SHARES = 8
TEST, DEV = (0, 4), (1,)


def split(clips: Iterable[Clip]) -> dict[Part, list[Clip]]:
    """The clips of each part, in the order given."""
    clips = list(clips)
    smallest = groups(clips)
    parts: dict[Part, list[Clip]] = {part: [] for part in PARTS}
    for clip in clips:
        parts[part_of(smallest[clip.key])].append(clip)
    return parts


def split_with_known(
    known: Mapping[Part, Sequence[Clip]], others: Iterable[Clip]
) -> tuple[dict[Part, list[Clip]], list[Clip]]:
    """The others in the parts of the known clips whose keys or texts they share, else in those of their own groups.

    Also, as a list, the clips of groups that belong to two parts: leave them out.  The known clips keep their parts.
    """
    by_key = {clip.key: part for part, clips in known.items() for clip in clips}
    by_text = {(clip.source, text): part for part, clips in known.items() for clip in clips for text in _texts(clip)}
    others = list(others)
    # A text of a known part puts its clip into that part, and joins it to no other clip.
    smallest = groups(_without(clip, by_text) for clip in others if clip.key not in by_key)
    parts_of: dict[str, set[Part]] = {}
    for clip in others:
        if clip.key in smallest:
            shared = {by_text[clip.source, text] for text in _texts(clip) if (clip.source, text) in by_text}
            parts_of.setdefault(smallest[clip.key], set()).update(shared)
    parts: dict[Part, list[Clip]] = {part: [] for part in PARTS}
    conflicts = []
    for clip in others:
        root = smallest.get(clip.key, "")
        homes = {by_key[clip.key]} if clip.key in by_key else parts_of[root] or {part_of(root)}
        if len(homes) > 1:
            conflicts.append(clip)
        else:
            parts[next(iter(homes))].append(clip)
    return parts, conflicts


def part_of(smallest_key: str) -> Part:
    """The part of the group with this smallest key."""
    share = int(hashlib.md5(smallest_key.encode(), usedforsecurity=False).hexdigest(), 16) % SHARES
    return "test" if share in TEST else "dev" if share in DEV else "train"


def groups(clips: Iterable[Clip]) -> dict[str, str]:
    """Each key -> the smallest key of those joined to it."""
    parents: dict[str, str] = {}
    first_with: dict[tuple[str, str], str] = {}
    for clip in clips:
        parents.setdefault(clip.key, clip.key)
        for text in _texts(clip):
            _join(parents, clip.key, first_with.setdefault((clip.source, text), clip.key))
    return {key: _root(parents, key) for key in parents}


def _texts(clip: Clip) -> set[str]:
    texts = {text_key(text) for text in (clip.text, *clip.translations.values())}
    return texts - {""}


def _without(clip: Clip, known: Collection[tuple[str, str]]) -> Clip:
    new = [text for text in _texts(clip) if (clip.source, text) not in known]
    return replace(clip, text="", translations={text: text for text in new})


def _join(parents: dict[str, str], one: str, other: str) -> None:
    low, high = sorted((_root(parents, one), _root(parents, other)))
    parents[high] = low  # So a root is always the smallest key of its group.


def _root(parents: Mapping[str, str], key: str) -> str:
    while parents[key] != key:
        key = parents[key]
    return key
