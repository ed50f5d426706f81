"""Charts as SVG: training curves and the spread of IoU. Drawn by matplotlib, without a browser, the same bytes each time."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.scoring.figures import CLASS_COLOURS, PALETTE

INK = "#1f2328"
"""The one colour of text and axes; the HTML file puts the page's own in its place, so that it reads in the dark too."""
MUTED = "#8b949e"


def style() -> AbstractContextManager[None]:
    """Text as outlines, so that no reader needs our font; ids from a fixed salt instead of chance."""
    return mpl.rc_context(
        {
            "svg.fonttype": "path",
            "svg.hashsalt": "drywall-qa",
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": MUTED,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": MUTED,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "lines.markersize": 3.5,
        }
    )


def svg(figure: Figure) -> bytes:
    """The figure on a transparent ground, with neither date nor program in it."""
    buffer = io.BytesIO()
    absent: Any = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=absent)
    return buffer.getvalue()


def training_curves(epochs: list[dict[str, Any]], best_epoch: int | None) -> bytes:
    """Losses on the left, validation mIoU over all and by class on the right; the kept epoch is marked."""
    numbers = [epoch["epoch"] for epoch in epochs]

    def draw(left: Axes, right: Axes) -> None:
        for key, name, colour in (("train_loss", "training", PALETTE[0]), ("val_loss", "validation", PALETTE[1])):
            left.plot(numbers, [epoch[key] for epoch in epochs], "o-", color=colour, label=name)
        right.plot(numbers, [epoch["val_miou"] for epoch in epochs], "o:", color=CLASS_COLOURS["all"], label="all")
        for name in sorted({name for epoch in epochs for name in epoch["classes"]}):
            values = [epoch["classes"].get(name, {}).get("miou", np.nan) for epoch in epochs]
            right.plot(numbers, values, "o-", color=CLASS_COLOURS.get(name, PALETTE[3]), label=name)
        left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        right.set(xlabel="epoch", ylabel="validation mIoU", ylim=(0, 1))
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if best_epoch:
                axes.axvline(best_epoch, color=MUTED, linestyle="--", linewidth=1, label="kept")
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, columnspacing=1.2)

    return _two(draw)


def score_spread(scores: pd.DataFrame) -> bytes:
    """How many samples have which IoU, by class; on the right each class's IoU sorted, so that shares can be read off."""
    classes = sorted(scores["class_name"].unique())
    values = [scores.loc[scores["class_name"] == name, "iou"].to_numpy() for name in classes]
    colours = [CLASS_COLOURS.get(name, PALETTE[3]) for name in classes]

    def draw(left: Axes, right: Axes) -> None:
        left.hist(values, bins=np.linspace(0, 1, 11).tolist(), color=colours, label=classes, stacked=True, rwidth=0.92)
        left.set(xlabel="IoU", ylabel="samples", xlim=(0, 1))
        left.yaxis.set_major_locator(MaxNLocator(integer=True))
        for name, of_class, colour in zip(classes, values, colours, strict=True):
            right.ecdf(of_class, color=colour, label=name)
        right.set(xlabel="IoU", ylabel="share of samples at or below", xlim=(0, 1), ylim=(0, 1.02))
        for axes in (left, right):
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)

    return _two(draw)


def _two(draw: Callable[[Axes, Axes], None]) -> bytes:
    with style():
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        draw(*figure.subplots(1, 2))
        return svg(figure)
