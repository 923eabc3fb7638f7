"""Sections of intents and robustness in their written forms: JSON, Markdown, and a figure of panels."""

from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evaluate.intents import section as intents
from evaluate.report.plots import COLOURS, FAINT, INK, MARKERS
from evaluate.results import Report
from evaluate.robustness import section as robustness
from evaluate.sections import Panel, Section

ACROSS = 3  # panels in a row


def sections(report: Report) -> list[Section]:
    """Intents, then robustness, in the report's order."""
    found = [intents.section_of(one) for one in report.intents]
    found += [robustness.section_of(one) for one in report.robustness]
    return [*found, *(robustness.speaker_section(one) for one in report.unseen)]


def sections_json(report: Report) -> dict[str, list[Any]]:
    """Lists of documents by key; a key without sections is absent."""
    found: dict[str, list[Any]] = {}
    for one in sections(report):
        found.setdefault(one.key, []).append(dict(one.document))
    return found


def sections_markdown(report: Report) -> Iterator[str]:
    """Paragraphs and tables."""
    for one in sections(report):
        yield f"## {one.title}"
        yield from one.lines
        for table in one.tables:
            rule = ["---", *["---:"] * (len(table.header) - 1)]
            yield "\n".join("| " + " | ".join(cells) + " |" for cells in [table.header, rule, *table.rows])
        if one.notes:
            yield "\n".join(f"- {note}" for note in one.notes)


def panels_plot(section: Section, path: Path) -> None:
    """Write a PNG; nothing where the section has no panel."""
    if section.panels:
        FigureCanvasAgg(panels_figure(section)).print_png(str(path))


def panels_figure(section: Section) -> Figure:
    """All panels, with one scale of y and one legend."""
    across = min(ACROSS, len(section.panels))
    down = ceil(len(section.panels) / across)
    figure = Figure(figsize=(max(3.4 * across, 5.5), 2.9 * down + 0.4), dpi=160, layout="constrained")
    for place, panel in enumerate(section.panels):
        _draw(figure.add_subplot(down, across, place + 1), panel, section.y)
    lines: dict[str, Any] = {}
    for axes in figure.axes:
        lines.update(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=4, frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _draw(axes: Any, panel: Panel, y: str) -> None:
    names = list(dict.fromkeys((*panel.series, *panel.levels)))
    for name, points in panel.series.items():
        colour, marker = (of[names.index(name) % len(of)] for of in (COLOURS, MARKERS))
        xs = [x for x, _ in points]
        axes.fill_between(
            xs, [one.low for _, one in points], [one.high for _, one in points], color=colour, alpha=0.14, linewidth=0
        )
        axes.plot(
            xs, [one.mean for _, one in points], color=colour, marker=marker, markersize=4, linewidth=1.6, label=name
        )
    for name, one in panel.levels.items():
        colour = COLOURS[names.index(name) % len(COLOURS)]
        label = None if name in panel.series else name
        axes.axhline(one.mean, color=colour, linestyle=(0, (4, 3)), linewidth=1.1, label=label)
    if panel.log2:
        axes.set_xscale("log", base=2)
    ticks = sorted({x for points in panel.series.values() for x, _ in points})
    axes.set_xticks(ticks, labels=[f"{x:g}" for x in ticks])
    axes.minorticks_off()
    axes.set_title(panel.title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(panel.x, color=INK, fontsize=8.5)
    axes.set_ylabel(y, color=INK, fontsize=8.5)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color=FAINT, labelcolor=INK, labelsize=8)
