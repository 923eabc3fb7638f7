"""Tables and sentences on what a system's vectors keep in few bytes, and in few ranks of its projector."""

from collections.abc import Callable, Sequence

from evaluate.measures.names import NDCG
from evaluate.ranks.codings import best_of
from evaluate.report.headroom import signed
from evaluate.results import Coding, System

Table = tuple[str, list[str], list[list[str]]]  # title, header, rows


def code_tables(system: System) -> list[Table]:
    """Quality, loss and overlap of each code at each size; then the ranks of the projector."""
    sizes = sorted({one.bytes for one in system.codings}, reverse=True)
    header = ["code", *(f"{size:,} B" for size in sizes)]
    found: list[Table] = []
    if system.codings:
        found = [
            (f"{system.name}: {NDCG} by code and bytes of a vector", header, _rows(system.codings, sizes, _quality)),
            (f"{system.name}: the same minus the full vectors", header, _rows(system.codings, sizes, _loss)),
            (f"{system.name}: same ten nearest", header, _rows(system.codings, sizes, _overlap)),
        ]
    if system.ranks:
        dims = sorted(system.ranks[0].by_dim, reverse=True)
        rows = [
            [str(one.rank), f"{one.parameters:,}", *(str(one.by_dim[dim]) for dim in dims), signed(one.loss)]
            for one in system.ranks
        ]
        titles = ["rank", "weights", *(f"{NDCG}, {dim} dims" for dim in dims), "minus the whole projector"]
        found.append((f"{system.name}: rank of the projector", titles, rows))
    return found


def code_lines(system: System) -> list[str]:
    """The codes that no other exceeds with as few bytes, and the least bytes and ranks within 1 % of the full ones."""
    found = []
    full = system.by_dim[system.full_dim][NDCG].mean
    if system.codings:
        best = [f"{one.code} in {one.bytes:,} ({one.quality.mean:.3f})" for one in best_of(system.codings)]
        found.append(f"{system.name}: best for their bytes are {', '.join(best)}; the full vectors have {full:.3f}.")
        near = min(
            (one for one in system.codings if one.quality.mean >= 0.99 * full), key=lambda one: one.bytes, default=None
        )
        if near is not None:
            found.append(
                f"{system.name}: the fewest bytes within 1 % of the full vectors ({NDCG}) are {near.bytes:,}, as"
                f" {near.code}: {signed(near.loss)}."
            )
    if enough := [one.rank for one in system.ranks if one.by_dim[system.full_dim].mean >= 0.99 * full]:
        found.append(f"{system.name}: the smallest rank of the projector within 1 % of the whole is {min(enough)}.")
    return found


def _rows(codings: Sequence[Coding], sizes: Sequence[int], form: Callable[[Coding], str]) -> list[list[str]]:
    by_place = {(one.code, one.bytes): form(one) for one in codings}
    codes = dict.fromkeys(one.code for one in codings)
    return [[code, *(by_place.get((code, size), "-") for size in sizes)] for code in codes]


def _quality(one: Coding) -> str:
    return str(one.quality)


def _loss(one: Coding) -> str:
    return signed(one.loss)


def _overlap(one: Coding) -> str:
    return f"{one.overlap:.0%}"
