"""Sharded index: the shards of one version, searched as one index; it answers as one machine with all rows would.

Each shard has some of the lists.  It learns how many rows of all lists may be hits, chooses the lists that the whole
index would choose, and reads those that it has: so the shards together read what one machine would read, and the
promised recall is kept.  The best of their hits are those of all rows, with the same ids and scores; hits of speech and
of text are compared by the background of all rows.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from embed.errors import InputError
from index.ask.opened import OpenParts
from index.ask.searcher import ANY, Index, _Call, checked_audit
from index.contracts import Chosen, Hits, SearchRequest
from index.filter import Where
from index.kept import Kept
from index.neighbours import join
from index.parts.provenance import Provenance
from index.rungs.listing import Listing, without_lists
from index.rungs.segment import Segment
from index.rungs.shelf import Shelf

LISTINGS = 32  # remembered, with their filters


class ShardedIndex(Index):
    """All shards of one version in one process, for an index that is larger than the memory of one machine.

    >>> import deglu
    >>> index = deglu.ShardedIndex([deglu.open_index("build/index", shard=(i, 2)) for i in range(2)])
    >>> len(index) == len(deglu.open_index("build/index"))
    True
    """

    def __init__(self, shards: Sequence[Index], audit: float = 0.0) -> None:
        """The shards in any order, each opened by `open_index(url, shard=(i, n))`; `audit` as in `open_index`.

        Raises InputError naming the shard that is missing, given twice, or of another index, version or n.
        """
        _check(shards)
        self._shards = sorted(shards, key=lambda shard: shard.portion.number if shard.portion else 0)
        first = self._shards[0]
        stretches = [stretch for shard in self._shards for stretch in shard._provenance.stretches]
        self._listing = lru_cache(LISTINGS)(self._listing_of)
        super().__init__(first.url, first.manifest, OpenParts({}, Provenance(stretches, {})), checked_audit(audit))

    def _names(self, request: SearchRequest) -> list[str]:
        return [name for name in self._may_be_hits if request.modality in (ANY, name)]

    @cached_property
    def _is_coded(self) -> bool:
        return any(shard._is_coded for shard in self._shards)

    def _found(self, name: str, call: _Call, whole: Listing | None = None) -> tuple[Hits, Chosen]:
        whole = self._listing(name, call.request.where)
        found = [shard._found(name, call, whole) for shard in self._shards if name in shard._shelves]
        return join([hits for hits, _ in found], call.request.k), found[0][1]

    def _listing_of(self, name: str, where: Where | None) -> Listing:
        """How the rows of all shards that may be hits lie to the lists."""
        kept = [shard._provenance.kept(name, where) for shard in self._shards if name in shard._shelves]
        pairs, first = list(zip(self._shelves_of(name), kept, strict=True)), self._shelves_of(name)[0]
        if first.coder is None:
            rows = sum(shelf.rows for shelf, _ in pairs)
            return without_lists(rows, sum(shelf.num_kept(some) for shelf, some in pairs))
        return first.listings.listing(np.sum([shelf.listings.may(some) for shelf, some in pairs], axis=0))

    def _segments(self, name: str) -> Sequence[Segment]:
        return [one for shelf in self._shelves_of(name) for one in shelf.segments]

    def _kept(self, name: str, where: Where | None) -> Sequence[Kept | None]:
        kept = [shard._provenance.kept(name, where) for shard in self._shards if name in shard._shelves]
        return [one for some in kept for one in some]

    def _shelves_of(self, name: str) -> list[Shelf]:
        return [shard._shelves[name] for shard in self._shards if name in shard._shelves]

    @cached_property
    def _may_be_hits(self) -> dict[str, int]:
        counts = {name: [shard._may_be_hits.get(name) for shard in self._shards] for name in self.manifest.modalities}
        known = {name: [count for count in some if count is not None] for name, some in counts.items()}
        return {name: sum(some) for name, some in known.items() if some}


def _check(shards: Sequence[Index]) -> None:
    """Raises InputError unless these are all shards of one version, each once."""
    if not shards:
        raise InputError("no shards were given; open each with `open_index(url, shard=(i, n))`")
    first = shards[0]
    for shard in shards:
        if shard.portion is None or first.portion is None:
            raise InputError(f"{shard.url} was opened whole; open a shard of it with `open_index(url, shard=(i, n))`")
        name, other = _name(shard), _name(first)
        if shard.portion.count != first.portion.count:
            raise InputError(f"{name} and {other}: open all shards with the same number of shards")
        if shard.manifest.version != first.manifest.version:
            raise InputError(
                f"{name} is of version {shard.manifest.version}, {other} of version {first.manifest.version}; "
                f"open all with the same version=..."
            )
        if shard.manifest != first.manifest:
            raise InputError(f"{name} is of another index than {other}; give the shards of one index")
    assert first.portion is not None
    numbers = [shard.portion.number for shard in shards if shard.portion]
    for number in range(first.portion.count):
        if numbers.count(number) != 1:
            state = "given twice; give it once" if number in numbers else "missing; open it as well"
            raise InputError(f"{first.url}: shard ({number}, {first.portion.count}) is {state}")


def _name(shard: Index) -> str:
    assert shard.portion is not None
    return f"{shard.url}: shard ({shard.portion.number}, {shard.portion.count})"
