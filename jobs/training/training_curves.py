"""Plot of a training: the loss by step, and nDCG@10 on dev by epoch, one curve for each dim.

Redrawn next to `metrics.csv` whenever dev was scored, so that it can be viewed while the training runs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evaluate.report.plots import COLOURS, FAINT, INK, MARKERS
from train.fit.metrics_log import Row

PICTURE = "training.png"
LOSS, DEV = "loss/total", "dev/"
SMOOTH = 50  # steps whose mean is drawn over the single steps

Curve = dict[int, float]  # by epoch, the first is 1


def training_curves(rows: Sequence[Row], path: Path) -> None:
    """Write a PNG of the numbers of `read_metrics`; nothing where there are neither losses nor scores yet."""
    losses = [(step, value) for step, _, name, value in rows if name == LOSS]
    measures = dev_curves(rows)
    if not losses and not measures:
        return
    figure = Figure(figsize=(4.6 * (1 + len(measures)), 3.8), dpi=130, layout="constrained")
    panels: list[Any] = figure.subplots(1, 1 + len(measures), squeeze=False)[0].tolist()
    _loss(panels[0], losses)
    for axes, (measure, curves) in zip(panels[1:], measures.items(), strict=True):
        _scores(axes, measure, curves)
    if len(panels) > 1:
        top = max(axes.get_ylim()[1] for axes in panels[1:])
        for axes in panels[1:]:
            axes.set_ylim(0, min(1.0, top))
        # One legend for all panels, outside of them: inside, a curve could run behind it.
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, labelcolor=INK)
    FigureCanvasAgg(figure).print_png(str(path))


def dev_curves(rows: Sequence[Row]) -> dict[str, dict[int, Curve]]:
    """Measure -> dim, the widest first -> epoch -> nDCG@10."""
    found: dict[str, dict[int, Curve]] = {}
    for _, epoch, name, value in rows:
        measure, at, dim = name.removeprefix(DEV).partition("@")
        if name.startswith(DEV) and at and dim.isdigit():
            found.setdefault(measure, {}).setdefault(int(dim), {})[epoch + 1] = value
    return {measure: dict(sorted(curves.items(), reverse=True)) for measure, curves in found.items()}


def smoothed(values: Sequence[float], most: int = SMOOTH) -> list[float]:
    """The running mean of each value and those before it, over at most `most` values; as long as `values`."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) - most + 1, 0)
    last = np.arange(len(values)) + 1
    means: list[float] = ((sums[last] - sums[first]) / (last - first)).tolist()
    return means


def _loss(axes: Any, losses: Sequence[tuple[int, float]]) -> None:
    steps, values = [step for step, _ in losses], [value for _, value in losses]
    axes.plot(steps, values, color=COLOURS[0], alpha=0.25, linewidth=0.8)
    axes.plot(steps, smoothed(values), color=COLOURS[0], linewidth=1.9)
    _style(axes, f"loss, and its mean over {SMOOTH} steps", "step")


def _scores(axes: Any, measure: str, curves: Mapping[int, Curve]) -> None:
    for place, (dim, curve) in enumerate(curves.items()):
        look = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        axes.plot(list(curve), list(curve.values()), **look, markersize=4, linewidth=1.6, label=f"{dim} dims")
    _style(axes, f"dev nDCG@10, {measure.replace('_', ' ')}", "epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _style(axes: Any, title: str, xlabel: str) -> None:
    axes.set_title(title, loc="left", fontsize=10.5, color=INK, pad=8)
    axes.set_xlabel(xlabel, color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color=FAINT, labelcolor=INK)
