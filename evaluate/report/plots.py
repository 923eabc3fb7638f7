"""Plots of nDCG by dimension, with chance, and by the bytes of a vector in every code.

matplotlib's objects are used directly, so that no global state is changed and no display is required.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embed.errors import InputError
from evaluate.results import Coding, Interval

# Colour-blind readers can distinguish them too (Okabe and Ito, 2008); in the order of their contrast on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, FAINT = "#222222", "#D8D8D8"


def ndcg_by_dim_plot(series: Mapping[str, Mapping[int, Interval]], chance: float, path: str | Path, title: str) -> None:
    """Write a PNG to the local `path`: a line with its 95 % band for each of `series` ({name: {dim: interval}}).

    The dims are on a log2 axis.  Raises InputError where there is nothing to draw.
    """
    if not any(series.values()):
        raise InputError(f"{path}: nothing to plot; evaluate at least one dim")
    FigureCanvasAgg(ndcg_by_dim_figure(series, chance, title)).print_png(str(path))


def ndcg_by_dim_figure(series: Mapping[str, Mapping[int, Interval]], chance: float, title: str) -> Figure:
    """The figure of `ndcg_by_dim_plot`."""
    figure = Figure(figsize=(7.5, 4.6), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    for place, (name, by_dim) in enumerate(series.items()):
        _line(axes, name, by_dim, place)
    axes.axhline(chance, color=INK, linestyle=(0, (4, 3)), linewidth=1.2, label=f"chance ({chance:.3f})")
    _format(axes, sorted({dim for by_dim in series.values() for dim in by_dim}), title)
    return figure


def codes_plot(codings: Sequence[Coding], full: Interval, path: str | Path, title: str) -> None:
    """Write a PNG to the local `path`: quality against bytes, a line for each code; `full` is that of the vectors."""
    FigureCanvasAgg(codes_figure(codings, full, title)).print_png(str(path))


def codes_figure(codings: Sequence[Coding], full: Interval, title: str) -> Figure:
    """The figure of `codes_plot`.  The seventh code and later ones have dashed lines."""
    figure = Figure(figsize=(7.5, 4.6), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    for place, name in enumerate(dict.fromkeys(one.code for one in codings)):
        points = sorted((one.bytes, one.quality.mean) for one in codings if one.code == name)
        style: Any = "-" if place < len(COLOURS) else (0, (5, 2))
        axes.plot(
            *zip(*points, strict=True),
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=5,
            linewidth=1.7,
            linestyle=style,
            label=name,
        )
    axes.axhline(full.mean, color=INK, linestyle=(0, (4, 3)), linewidth=1.2, label=f"full ({full.mean:.3f})")
    _format(axes, sorted({one.bytes for one in codings}), title)
    axes.set_xlabel("bytes of a vector (log scale)", color=INK)
    axes.set_ylabel("nDCG@10", color=INK)
    return figure


def _line(axes: Any, name: str, by_dim: Mapping[int, Interval], place: int) -> None:
    dims = sorted(by_dim)
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    lows, highs = [by_dim[dim].low for dim in dims], [by_dim[dim].high for dim in dims]
    axes.fill_between(dims, lows, highs, color=colour, alpha=0.14, linewidth=0)
    axes.plot(
        dims, [by_dim[dim].mean for dim in dims], color=colour, marker=marker, markersize=5, linewidth=1.9, label=name
    )


def _format(axes: Any, dims: list[int], title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11.5, color=INK, pad=10)
    axes.set_xlabel("dimensions kept (log scale)", color=INK)
    axes.set_ylabel("nDCG@10, mean and 95 % interval", color=INK)
    axes.set_xscale("log", base=2)
    axes.set_xticks(dims, labels=[str(dim) for dim in dims])
    axes.minorticks_off()
    axes.set_ylim(0, min(1.0, axes.get_ylim()[1] * 1.02))
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color=FAINT, labelcolor=INK)
    # Next to the lines, never over them.
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, labelcolor=INK)
