"""Plot of the index bench: speed by recall of each contender, from the points of the bench's document.

`python -m evaluate.bench.index.plot DOCUMENT PICTURE...`, where DOCUMENT is a file that `python -m evaluate.bench.index
--out DOCUMENT` wrote, and the name of each PICTURE ends in .svg or .png.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from embed.errors import DegluError, InputError
from evaluate.bench.index.tuning import CHOICE
from evaluate.report.plots import FAINT, INK

PANELS = {"batch": "in one batch", "single": "one at a time"}
LOWEST, HIGHEST = 0.9, 0.9997  # recall shown; higher recalls are drawn at the right edge
TICKS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
OURS = "deglu"
EXACT = "exact flat"

# Distinct without colours too: colours of Okabe and Ito (2008), each with its own marker and dash; ours is the widest.
STYLES: dict[str, tuple[str, str, str]] = {
    OURS: ("#0072B2", "o", "-"),
    "deglu, fixed depth": ("#0072B2", "o", ":"),
    "ScaNN": ("#D55E00", "s", "-"),
    "faiss IVF-PQ fast-scan + refine": ("#E69F00", "P", "-"),
    "faiss HNSW-SQ8 + refine": ("#009E73", "^", "-"),
    "SVS Vamana float16": ("#009E73", "v", "--"),
    "SVS Vamana LVQ4x8": ("#009E73", "<", ":"),
    "SymphonyQG": ("#882255", "*", "-"),
    "IVF-RaBitQ": ("#882255", "p", "--"),
    "faiss IVF-RaBitQ fast-scan + refine": ("#E69F00", "H", "--"),
    "turbovec": ("#999933", "d", "-"),
    "LanceDB IVF_RQ": ("#999933", "8", "--"),
    "VSAG HGraph": ("#44AA99", ">", "-"),
    "NGT-QG": ("#44AA99", "1", "--"),
    "hnswlib": ("#CC79A7", "D", "-"),
    "usearch f16": ("#CC79A7", "X", "--"),
    "usearch i8": ("#CC79A7", "x", ":"),
    "naive Matryoshka two-stage, 128 dims": ("#56B4E9", "h", "-"),
    "naive Matryoshka two-stage, 64 dims": ("#56B4E9", "h", "--"),
    EXACT: (INK, "", "--"),
}
OTHER = ("#999999", ".", "-")

Points = Sequence[dict[str, Any]]


def picture(document: dict[str, Any]) -> Figure:
    """The figure: a row of two panels for each data set.  Raises InputError where there are no points."""
    points: Points = document.get("points", [])
    names = list(dict.fromkeys(point["data"] for point in points))
    if not names:
        raise InputError("the document has no points to draw; make one with python -m evaluate.bench.index --out FILE")
    figure = Figure(figsize=(12.5, 0.6 + 4.5 * len(names)), dpi=130, layout="constrained")
    grid: Any = figure.subplots(len(names), len(PANELS), squeeze=False, sharey="row", sharex=True)
    for name, pair in zip(names, grid, strict=True):
        some = [point for point in points if point["data"] == name]
        for mode, axes in zip(PANELS, pair, strict=True):
            _panel(axes, some, mode)
            axes.set_title(f"{_title(document, name)}: {PANELS[mode]}", loc="left", fontsize=10.5, color=INK)
        pair[0].set_ylabel("queries per CPU-second of one thread", color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("recall@10 (log scale of the missed share)", color=INK)
    figure.legend(handles=_handles(points), loc="outside right center", frameon=False, labelcolor=INK, fontsize=9)
    return figure


def front(points: Points, mode: str) -> list[tuple[float, float]]:
    """(recall, speed) of points that no other beats in both, from recall 0.9 to the first at the right edge."""
    found: list[tuple[float, float]] = []
    for speed, recall in sorted(((point[mode], point["recall"]) for point in points), reverse=True):
        if recall >= LOWEST and (not found or min(recall, HIGHEST) > found[-1][0]):
            found.append((recall, speed))
    return found


def _panel(axes: Any, points: Points, mode: str) -> None:
    for place, family in enumerate(_families(points)):
        colour, marker, dash = STYLES.get(family, OTHER)
        curve = front([point for point in points if point["family"] == family], mode)
        if family == EXACT and curve:
            axes.axhline(curve[0][1], color=colour, linestyle=(0, (1, 3)), linewidth=1.3)
        elif curve:
            ours = family == OURS
            axes.plot(
                [_place(recall) for recall, _ in curve],
                [speed for _, speed in curve],
                color=colour,
                marker=marker,
                linestyle=dash,
                linewidth=3.0 if ours else 1.5,
                markersize=7 if ours else 5,
                zorder=10 if ours else 3 + place / 100,
            )
    _set_axes(axes)


def _set_axes(axes: Any) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim((1 - LOWEST) * 1.05, 1 - HIGHEST)  # reversed: better is right
    axes.set_xticks([1 - tick for tick in TICKS], labels=[f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color=FAINT, labelcolor=INK)


def _place(recall: float) -> float:
    """The place of a recall on the axis of the missed share."""
    return 1 - min(recall, HIGHEST)


def _handles(points: Points) -> list[Line2D]:
    """One for each family, the quickest at 0.99 first."""
    handles = []
    for family in sorted(_families(points), key=lambda family: -_speed(points, family)):
        colour, marker, dash = STYLES.get(family, OTHER)
        line = (0, (1, 3)) if family == EXACT else dash
        width = 3.0 if family == OURS else 1.5
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle=line, linewidth=width, label=family))
    return handles


def _speed(points: Points, family: str) -> float:
    """The best speed in a batch at a recall of 0.99 or more."""
    return max(
        (point["batch"] for point in points if point["family"] == family and point["recall"] >= CHOICE), default=0
    )


def _families(points: Points) -> Iterable[str]:
    return dict.fromkeys(point["family"] for point in points)


def _title(document: dict[str, Any], name: str) -> str:
    rows = next((build["rows"] for build in document.get("builds", []) if build["data"] == name), None)
    return f"{name} vectors" + (f", {rows:,}" if rows else "")


def draw(source: Path, targets: Sequence[Path]) -> None:
    """Write the plot of a document.  Raises InputError for a document without points, or for another file ending."""
    figure = picture(json.loads(source.read_text(encoding="utf-8")))
    canvas = FigureCanvasAgg(figure)
    for target in targets:
        if target.suffix not in (".svg", ".png"):
            raise InputError(f"{target}: the name of a picture must end in .svg or .png")
        # Without a date the same document gives the same file.
        canvas.print_figure(str(target), metadata={"Date": None} if target.suffix == ".svg" else None)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m evaluate.bench.index.plot DOCUMENT PICTURE...\n")
        return 2
    try:
        draw(Path(arguments[0]), [Path(one) for one in arguments[1:]])
    except DegluError as error:
        sys.stderr.write(f"bench index_plot: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
