"""Sections of a report other than its tasks: lines, tables and a figure of several panels, which any form can show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluate.results import Interval


@dataclass(frozen=True)
class Table:
    header: Sequence[str]  # the first is the table's title
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Panel:
    """Lines with their intervals over x; `levels` are dashed lines across."""

    title: str
    x: str
    series: Mapping[str, Sequence[tuple[float, Interval]]]
    levels: Mapping[str, Interval] = field(default_factory=dict)
    log2: bool = False


@dataclass(frozen=True)
class Section:
    """`key` is its place in the JSON, `document` its values there."""

    key: str
    title: str
    lines: Sequence[str]
    tables: Sequence[Table]
    y: str
    panels: Sequence[Panel]
    notes: Sequence[str]
    document: Mapping[str, Any]
