"""Which clips an epoch hears: all of a source, or a share of it drawn anew, and until when."""

import math
from collections.abc import Sequence

import numpy as np

from train.curate.sources import asterisk, manifest, synthetic, tuxpaint
from train.curate.sources.clips import Clip
from train.spec import SourceSpec


def heard(
    clips: Sequence[Clip], members: Sequence[int], sources: Sequence[SourceSpec], *, seed: int, epoch: int, epochs: int
) -> list[int]:
    """Members (places in `clips`) of the epoch, in their own order; decided by seed and epoch alone.

    A source whose `share` is s gives s times as many clips as the sources without a share have together, or all it
    has; behind `until` it gives none.  Where the same source is named twice, the last word counts.
    """
    rules = {source_name(source): source for source in sources}
    groups: dict[str, list[int]] = {}
    for member in members:
        groups.setdefault(clips[member].source, []).append(member)
    over = {name for name, rule in rules.items() if epoch >= math.ceil(rule.until * epochs)}
    whole = {name for name in groups if name not in rules or rules[name].share is None} - over
    count = sum(len(groups[name]) for name in whole)
    kept = {member for name in whole for member in groups[name]}
    for number, name in enumerate(sorted(set(groups) - whole - over)):
        most = round((rules[name].share or 0.0) * count) if whole else len(groups[name])
        drawn = np.random.default_rng([seed, epoch, number, 2]).permutation(np.asarray(groups[name]))[:most]
        kept.update(drawn.tolist())
    return [member for member in members if member in kept]


def source_name(source: SourceSpec) -> str:
    """`Clip.source` of its clips."""
    if source.name == "manifest":
        return manifest.source_of(source.url)
    return {"asterisk": asterisk.SOURCE, "tuxpaint": tuxpaint.SOURCE, "synthetic": synthetic.SOURCE}[source.name]
