"""Which clips an epoch hears: all of a source, or a share of it drawn anew, and until when."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from train.batches import batches
from train.curate.clip import Clip
from train.curate.sources import asterisk, manifest, synthetic, tuxpaint
from train.spec import SourceSpec, TrainSpec


def heard(
    clips: Sequence[Clip], members: Sequence[int], sources: Sequence[SourceSpec], *, seed: int, epoch: int, epochs: int
) -> list[int]:
    """Members (places in `clips`) of the epoch, in their own order; decided by seed and epoch alone.

    A source whose `share` is s gives s times as many clips as the sources without a share have together, or all it
    has; behind `until` it gives none.  A source may be named several times, each time for other languages.
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
    kept = {member for number in whole for member in groups[number]}
    for number in sorted(set(rules) - whole - over):
        most = round((rules[number].share or 0.0) * count) if whole else len(groups[number])
        drawn = np.random.default_rng([seed, epoch, number, 2]).permutation(np.asarray(groups[number]))[:most]
        kept.update(drawn.tolist())
    return [member for member in members if member in kept]


def epoch_batches(
    clips: Sequence[Clip], members: Sequence[int], length: Callable[[int], int], spec: TrainSpec, epoch: int
) -> list[list[int]]:
    """Batches of what the epoch hears; of all members where `clips` are not known.  Raises SpecError at too few."""
    settings, seed = spec.optimiser, spec.seed
    if clips:
        members = heard(clips, members, spec.sources, seed=seed, epoch=epoch, epochs=settings.epochs)
    return batches(members, length, settings.batch, seed, epoch)


def _owners(sources: Sequence[SourceSpec]) -> dict[tuple[str, str], int]:
    """`Clip.source` and language -> the first entry that names them; no language stands for all."""
    owners: dict[tuple[str, str], int] = {}
    for number, source in enumerate(sources):
        for lang in source.langs or ("",):
            owners.setdefault((source_name(source), lang), number)
    return owners


def source_name(source: SourceSpec) -> str:
    """`Clip.source` of its clips."""
    if source.name == "manifest":
        return manifest.source_of(source.url)
    return {"asterisk": asterisk.SOURCE, "tuxpaint": tuxpaint.SOURCE, "synthetic": synthetic.SOURCE}[source.name]
