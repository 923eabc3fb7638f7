"""First table of a report: for each task and width the systems next to the ceiling, with significance."""

from collections.abc import Sequence

from evaluate.measures.headroom import table_order
from evaluate.measures.names import NDCG
from evaluate.results import Interval, System, Task

TITLE = "Headroom"
NOTE = (
    "The ceiling reads the true transcript; the cascade reads as many transcripts as the hybrid."
    " Mean [95 % interval]; differences are paired by query. The last column has the letters of the systems that one"
    " exceeds significantly: paired randomisation tests, corrected by Holm over all pairs of systems and all widths of"
    " the task (p at most .05)."
)


def headroom_table(task: Task) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a row for each width and system."""
    systems = {one.name: one for one in task.systems}
    letters = {name: _letter(place) for place, name in enumerate(table_order(systems))}
    header = ["system", "width", NDCG, "share of the ceiling", f"minus {task.baseline or 'a baseline'}", "exceeds"]
    dims = sorted({dim for one in task.systems for dim in one.by_dim}, reverse=True)
    rows = [
        [f"{letter} {name}", str(dim), *_cells(systems[name], dim)] for dim in dims for name, letter in letters.items()
    ]
    return header, rows


def signed(one: Interval) -> str:
    """A difference and its interval, with signs."""
    return f"{one.mean:+.3f} [{one.low:+.2f}, {one.high:+.2f}]"


def _cells(system: System, dim: int) -> Sequence[str]:
    quality, found = system.by_dim.get(dim, {}).get(NDCG), system.headroom.get(dim)
    minus = system.difference.get(dim, {}).get(NDCG)
    share = found.share if found else None
    return (
        str(quality) if quality else "-",
        f"{share.mean:.0%} [{share.low:.0%}, {share.high:.0%}]" if share else "-",
        signed(minus) if minus else "-",
        (found.exceeds if found else "") or "-",
    )


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"[{place + 1}]"
