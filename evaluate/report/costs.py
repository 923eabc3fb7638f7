"""Table and sentences on what systems cost, with the Pareto front of quality over the price of queries."""

from evaluate.cost.prices import pareto
from evaluate.measures.names import NDCG
from evaluate.results import Task
from evaluate.systems import CEILING


def cost_table(task: Task) -> tuple[list[str], list[list[str]]] | None:
    """Header and rows, one for each system and width; None where no cost was measured."""
    known = [(one, one.cost) for one in task.systems if one.cost is not None]
    if not known:
        return None
    currency = known[0][1].currency
    header = [
        "system and width", NDCG, "best for its price", f"{currency} a million queries", "ms a query", "GMACs a query",
        "million weights", "bytes a vector", "MB of index", f"{currency} a month of it", "CPU-s an audio-hour",
        "TMACs an audio-hour", f"{currency} a thousand hours",
    ]  # fmt: skip
    front = front_of(task)
    rows = []
    for system, cost in known:
        for dim, width in cost.widths.items():
            name = f"{system.name}, {dim}"
            rows.append(
                [
                    name,
                    f"{system.by_dim[dim][NDCG].mean:.3f}",
                    "yes" if name in front else "-",
                    f"{width.price_million_queries:.2f}",
                    f"{1000 * (cost.query_s + width.search_s):.1f}",
                    f"{cost.query_macs / 1e9:.2f}",
                    f"{cost.parameters / 1e6:.1f}",
                    f"{width.bytes:,}",
                    f"{width.index_bytes / 1e6:.2f}",
                    f"{width.price_index_month:.4f}",
                    "-" if cost.hour_s is None else f"{cost.hour_s:,.0f}",
                    "-" if cost.hour_macs is None else f"{cost.hour_macs / 1e12:.2f}",
                    "-" if cost.price_thousand_hours is None else f"{cost.price_thousand_hours:.2f}",
                ]
            )
    return header, rows


def front_of(task: Task) -> list[str]:
    """Systems and widths that no other exceeds at the same price of a million queries, the cheapest first.

    Without the ceiling, which reads true transcripts, so it is nothing that can be had.
    """
    points = {
        f"{one.name}, {dim}": (width.price_million_queries, one.by_dim[dim][NDCG].mean)
        for one in task.systems
        if one.cost is not None and one.name != CEILING
        for dim, width in one.cost.widths.items()
    }
    return pareto(points)


def cost_line(task: Task) -> str:
    """The sentence on the front."""
    front = "; ".join(front_of(task))
    return (
        f"Best for their price, the cheapest first, without the ceiling: {front}. CPU seconds are of this machine,"
        " encoding and an exact search together; rates are those of the spec."
    )
