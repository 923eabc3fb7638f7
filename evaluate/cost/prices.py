"""Prices of queries and hours from CPU seconds and bytes, and the Pareto front of quality over price."""

from collections.abc import Mapping

from evaluate.cost.spec import CostSpec

MILLION, THOUSAND = 1_000_000, 1000


def price_of_queries(cpu_s: float, rates: CostSpec) -> float:
    """Of a million questions that take so many CPU seconds each."""
    return cpu_s * MILLION / 3600 * rates.core_hour


def price_of_hours(cpu_s: float, rates: CostSpec) -> float:
    """Of a thousand hours of recordings that take so many CPU seconds an hour."""
    return cpu_s * THOUSAND / 3600 * rates.core_hour


def price_of_index(num_bytes: int, rates: CostSpec) -> float:
    """Of an index in memory for a month."""
    return num_bytes / 1e9 * rates.gb_month


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of points (price, quality) that no other exceeds at the same price or less, the cheapest first."""
    found: list[str] = []
    for name in sorted(points, key=lambda one: (points[one][0], -points[one][1])):
        if not found or points[name][1] > points[found[-1]][1]:
            found.append(name)
    return found
