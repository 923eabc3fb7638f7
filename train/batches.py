"""Batches of an epoch: which members it uses, in whole batches of similar length; seed and epoch alone decide."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from embed.errors import SpecError
from train.curate.clip import Clip
from train.curate.sources.table import key_prefix
from train.spec import SourceSpec, TrainSpec

WINDOW = 8  # batches whose members are sorted by length together: little padding, and batches stay random


def epoch_batches(
    clips: Sequence[Clip], members: Sequence[int], length: Callable[[int], int], spec: TrainSpec, epoch: int
) -> list[list[int]]:
    """Batches of the epoch's members; of all members where `clips` is empty.  Raises SpecError where they fill none."""
    settings, seed = spec.optimiser, spec.seed
    if clips:
        members = epoch_members(clips, members, spec.sources, seed=seed, epoch=epoch, epochs=settings.epochs)
    return batches(members, length, settings.batch, seed, epoch)


def epoch_members(
    clips: Sequence[Clip], members: Sequence[int], sources: Sequence[SourceSpec], *, seed: int, epoch: int, epochs: int
) -> list[int]:
    """Members (positions in `clips`) of the epoch, in the given order; seed and epoch alone decide.

    A source whose `share` is s gives s times as many clips as the sources without a share have together, or all it
    has; after `until` it gives none.  A source may be listed several times, each time for other languages.
    """
    owner = _owners(sources)
    groups: dict[int | None, list[int]] = {}
    for member in members:
        clip = clips[member]
        groups.setdefault(owner.get((clip.source, clip.lang), owner.get((clip.source, ""))), []).append(member)
    rules = {number: sources[number] for number in groups if number is not None}
    over = {number for number, rule in rules.items() if epoch >= math.ceil(rule.until * epochs)}
    whole = {number for number in groups if number is None or rules[number].share is None} - over
    count = sum(len(groups[number]) for number in whole)
    chosen = {member for number in whole for member in groups[number]}
    for number in sorted(set(rules) - whole - over):
        most = round((rules[number].share or 0.0) * count) if whole else len(groups[number])
        drawn = np.random.default_rng([seed, epoch, number, 2]).permutation(np.asarray(groups[number]))[:most]
        chosen.update(drawn.tolist())
    return [member for member in members if member in chosen]


def batches(members: Sequence[int], length: Callable[[int], int], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Batches of `batch` members each, every member once at most; the remainder is not used in this epoch.

    Raises SpecError where the members do not fill one batch.
    """
    if len(members) < batch:
        raise SpecError(f"{len(members)} training examples do not fill one batch of {batch}; lower `optimiser.batch`")
    order = np.random.default_rng([seed, epoch]).permutation(np.asarray(members)).tolist()
    window = batch * WINDOW
    runs = [sorted(order[i : i + window], key=length) for i in range(0, len(order), window)]
    whole = [run[i : i + batch] for run in runs for i in range(0, len(run) - batch + 1, batch)]
    return [whole[i] for i in np.random.default_rng([seed, epoch, 1]).permutation(len(whole))]


def _owners(sources: Sequence[SourceSpec]) -> dict[tuple[str, str], int]:
    """`Clip.source` and language -> the first entry that lists them; "" is every language."""
    owners: dict[tuple[str, str], int] = {}
    for number, source in enumerate(sources):
        for lang in source.langs or ("",):
            owners.setdefault((key_prefix(source.name, source.url), lang), number)
    return owners
