"""Requests with intents: the data's one shape, and the parts of examples and of the test.

A template is the sentence that requests are made from; no template, and no wording, is in two parts.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from embed.errors import InputError
from embed.identity import digest
from embed.storage import store
from evaluate.intents.spec import IntentSpec, Modality
from train.curate.clip import Clip, text_key
from train.curate.split import Part, groups

ATTEMPTS = 50  # orders of a label's templates, until one gives both parts enough


@dataclass(frozen=True)
class Request:
    """A text, a recording `audio` with its transcript, or both, and its label."""

    label: str
    lang: str
    text: str = ""
    audio: str = ""
    template: str = ""  # "": the wording is its own
    voice: str = ""  # "": not known
    part: Part | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    place: str = ""  # file and line, for errors

    @property
    def group(self) -> str:
        """Requests of one group are never in two parts."""
        return f"{self.lang}/{self.template or text_key(self.text) or self.audio}"

    def clip(self, source: str) -> Clip:
        """The recording, as systems encode it."""
        key = digest("request", self.audio, self.start_s).hex()
        return Clip(source, key, self.lang, self.text, self.audio, {}, self.start_s, self.duration_s)


@dataclass(frozen=True)
class Chosen:
    """Requests that examples are drawn from, and those of the test; both have all `labels`."""

    labels: tuple[str, ...]
    pool: tuple[Request, ...]
    test: tuple[Request, ...]
    notes: tuple[str, ...] = field(default=())


def with_parts(requests: Iterable[Request], shots: int, seed: int) -> list[Request]:
    """Requests that name no part are put into train or test, template by template, about half of a label's in each.

    Of several orders of the templates, the first that leaves enough examples for `shots` is taken.
    """
    out: list[Request] = []
    open_ones: dict[tuple[str, str], list[Request]] = defaultdict(list)
    for one in requests:
        (open_ones[one.lang, one.label] if one.part is None else out).append(one)
    for (lang, label), own in sorted(open_ones.items()):
        # Templates that make one wording are one.
        joined = groups(Clip(lang, one.group, lang, one.text, one.audio, {}) for one in own)
        sizes = Counter(joined[one.group] for one in own)
        test = _test_groups(sizes, shots, random.Random(f"{seed}|{lang}|{label}"))
        out += [replace(one, part="test" if joined[one.group] in test else "train") for one in own]
    return out


def _test_groups(sizes: Mapping[str, int], shots: int, chance: random.Random) -> set[str]:
    templates, best, most = sorted(sizes), set[str](), -1
    for _ in range(ATTEMPTS):
        chance.shuffle(templates)
        test = set(templates[: len(templates) // 2])
        left = sum(size for group, size in sizes.items() if group not in test)
        if left > most:
            best, most = test, left
        if left >= shots:
            return test
    return best


def choose(requests: Sequence[Request], spec: IntentSpec, where: str, seed: int) -> Chosen:
    """Pool and test of the spec's languages and modalities.  Raises InputError that names file, row and label."""
    (train_lang, train_kind), (test_lang, test_kind) = spec.sides
    known = with_parts(requests, max(spec.shots), seed)
    pool = _of(known, "train", train_lang, train_kind, where)
    test = _of(known, "test", test_lang, test_kind, where)
    _refuse_shared(pool, test)
    pool, test, notes = _hold_out_voices(pool, test, spec, seed)
    labels, few = _labels(pool, test, max(spec.shots))
    if few and (spec.few != "omit" or len(labels) < 2):
        cure = "or set `few: omit`" if len(labels) >= 2 else "two labels are required"
        raise InputError(f"{next(iter(few.values()))}; add requests, lower `shots`, {cure}")
    if len(labels) < 2:
        raise InputError(f"{where}: all requests have the label {labels[0]}; two labels are required")
    if few:
        notes.append(f"labels with too few requests for {max(spec.shots)} shots and a test: {', '.join(few)}")
    chosen = [
        tuple(one for label in labels for one in spread(_with(side, label), most, f"{seed}|{label}"))
        for side, most in ((pool, spec.most), (test, spec.most_test))
    ]
    for one in (*(chosen[0] if train_kind == "speech" else ()), *(chosen[1] if test_kind == "speech" else ())):
        _refuse_missing(one)
    return Chosen(labels, chosen[0], chosen[1], tuple(notes))


def spread(requests: Sequence[Request], most: int | None, seed: str) -> list[Request]:
    """At most so many, in a random order that takes one of each template, then a second of each, and so on."""
    chance = random.Random(seed)
    by_group: dict[str, list[Request]] = defaultdict(list)
    for one in requests:
        by_group[one.group].append(one)
    templates = sorted(by_group)
    chance.shuffle(templates)
    for own in by_group.values():
        chance.shuffle(own)
    rounds = range(max(map(len, by_group.values()), default=0))
    return [by_group[group][turn] for turn in rounds for group in templates if turn < len(by_group[group])][:most]


def _of(requests: Sequence[Request], part: Part, lang: str, kind: Modality, where: str) -> list[Request]:
    has: Callable[[Request], str] = (lambda one: one.audio) if kind == "speech" else (lambda one: one.text)
    found = [one for one in requests if (one.part, one.lang) == (part, lang) and has(one)]
    if kind == "text":  # a text that several voices have spoken is one request
        found = list({(one.label, text_key(one.text)): one for one in reversed(found)}.values())[::-1]
    if not found:
        there = Counter(
            f"{one.lang} {name}"
            for one in requests
            for name, value in (("speech", one.audio), ("text", one.text))
            if value and one.part == part
        )
        counts = ", ".join(f"{count:,} {name}" for name, count in sorted(there.items())) or "none"
        raise InputError(f"{where}: no {lang} {kind} in part {part}; requests of this part: {counts}")
    return found


def _refuse_shared(pool: Sequence[Request], test: Sequence[Request]) -> None:
    templates = {one.group: one for one in pool}
    words = {(one.lang, text_key(one.text)): one for one in pool if text_key(one.text)}
    for one in test:
        other = templates.get(one.group) or words.get((one.lang, text_key(one.text)))
        if other is not None:
            what = (
                f"the template {one.template!r}"
                if one.group in templates and one.template
                else f"the text {one.text!r}"
            )
            raise InputError(
                f"{one.place}: {what} is in the test and, by {other.place}, among the examples;"
                " give both rows one `part`, or leave `part` out of all rows"
            )


def _hold_out_voices(
    pool: list[Request], test: list[Request], spec: IntentSpec, seed: int
) -> tuple[list[Request], list[Request], list[str]]:
    """Both sides without voices of the other; voices that are in both go to one side, about half to each."""
    voices = [{one.voice for one in side if one.voice and one.audio} for side in (pool, test)]
    spoken = [kind == "speech" for _, kind in spec.sides]
    shared = sorted(voices[0] & voices[1])
    if spec.voices == "any" or not all(spoken):
        return pool, test, []
    if not shared:
        return pool, test, [f"voices held out: {len(voices[0])} and {len(voices[1])}"] if all(voices) else []
    if len(voices[0] | voices[1]) < 2:
        raise InputError(
            f"{test[0].place}: {shared[0]} is the only voice; add recordings of another, or set `voices: any`"
        )
    random.Random(f"{seed}|voices").shuffle(shared)
    if voices[1] - voices[0]:
        tested = set[str]()
    else:
        tested = set(shared) if voices[0] - voices[1] else set(shared[: (len(shared) + 1) // 2])
    kept = (
        [one for one in pool if one.voice not in tested],
        [one for one in test if one.voice in tested or one.voice not in shared],
    )
    left_out = len(pool) + len(test) - len(kept[0]) - len(kept[1])
    return *kept, [f"voices held out; {left_out} requests of the other side's voices are not used"]


def _labels(pool: Sequence[Request], test: Sequence[Request], shots: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """Labels with enough requests, and for each other one a sentence with the place of its first request."""
    counts = [Counter(one.label for one in side) for side in (pool, test)]
    first: dict[str, Request] = {}
    for one in (*pool, *test):
        first.setdefault(one.label, one)
    enough, few = [], {}
    for label in sorted(first):
        if counts[0][label] >= shots and counts[1][label]:
            enough.append(label)
        else:
            few[label] = (
                f"{first[label].place}: {label} has {counts[0][label]} requests for examples and"
                f" {counts[1][label]} of other templates for the test, {shots} and 1 are required"
            )
    return tuple(enough), few


def _with(requests: Sequence[Request], label: str) -> list[Request]:
    return [one for one in requests if one.label == label]


def _refuse_missing(one: Request) -> None:
    path = store.local_path(one.audio)
    if path is not None and not path.is_file():
        raise InputError(f"{one.place}: {path}: no such recording; correct `audio` or bring the file")
