"""The method as drawings: the model's architecture and the pipeline, as SVG, with the numbers of the run's own model."""

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from training.report.charts import INK, MUTED, style, svg
from training.scoring.figures import PALETTE

BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = PALETTE
Point = tuple[float, float]


def architecture(model: dict[str, Any], input_px: int) -> bytes:
    """model: a CLIPSeg config.json; with "branch" the full-resolution branch is drawn too."""
    vision, layers = model["vision_config"], model["extract_layers"]
    branch = model.get("branch")
    tokens = (input_px // vision["patch_size"]) ** 2 + 1
    with style():
        figure, axes = _canvas(10.4, 4.75)
        _box(axes, 0.75, 2.75, 1.3, 0.9, "Photo", "any size", MUTED)
        _box(axes, 0.75, 0.75, 1.3, 0.9, "Prompt", "“segment\nwall crack”", MUTED)
        _box(axes, 2.25, 2.75, 1.2, 0.9, "Resize", f"{input_px} × {input_px}", MUTED)
        top, bottom = 3.95, 1.6
        axes.text(4.0, top + 0.3, "CLIP vision tower", ha="center", weight="bold")
        axes.text(
            4.0,
            top + 0.1,
            f"{vision['num_hidden_layers']} layers, {vision['patch_size']}-px patches",
            ha="center",
            size=6.5,
            color=MUTED,
        )
        depth = max(layers) + 1
        height = (top - bottom) / depth
        for layer in range(depth):
            y = bottom + (layer + 0.5) * height
            used = layer in layers
            _box(axes, 4.0, y, 1.5, height * 0.78, f"layer {layer}" if used else "", "", BLUE if used else MUTED)
            if used:
                _arrow(axes, (4.78, y), (5.92, y), BLUE)
        lowest = bottom + (min(layers) + 0.5) * height
        size = f"{tokens} × {vision['hidden_size']}\neach"
        axes.text(5.35, lowest - 0.08, size, ha="center", va="top", size=6.5, color=MUTED)
        _box(axes, 4.0, 0.75, 1.5, 0.9, "CLIP text tower", f"vector of {model['projection_dim']}", BLUE)
        _box(
            axes,
            6.65,
            (top + bottom) / 2,
            1.4,
            top - bottom,
            "Decoder",
            f"{len(layers)} blocks of\nwidth {model['reduce_dim']}\n\ntransposed\nconvolution",
            ORANGE,
        )
        _arrow(axes, (1.42, 2.75), (1.63, 2.75))
        _arrow(axes, (2.87, 2.75), (3.23, 2.75))
        _arrow(axes, (1.42, 0.75), (3.23, 0.75))
        _path(axes, [(4.77, 0.75), (6.65, 0.75), (6.65, bottom - 0.04)], ORANGE)
        axes.text(5.7, 0.85, "scales and shifts", ha="center", size=6.5, color=MUTED)
        if branch:
            _box(
                axes,
                8.35,
                (top + bottom) / 2,
                1.4,
                1.5,
                "Full-resolution\nbranch",
                f"up to {branch['max_side']} px,\nwidth {branch['width']}",
                GREEN,
            )
            _arrow(axes, (7.37, 2.775), (7.63, 2.775), ORANGE)
            _path(axes, [(6.65, 0.75), (8.35, 0.75), (8.35, 2.0)], GREEN)
            _path(axes, [(0.75, 3.22), (0.75, 4.6), (8.35, 4.6), (8.35, 3.55)], GREEN)
        end = 9.07 if branch else 7.37
        _box(axes, 9.82 if branch else 8.35, 2.775, 1.0, 0.9, "Mask", "probability\n≥ threshold", PINK)
        _arrow(axes, (end, 2.775), (9.3 if branch else 7.83, 2.775), GREEN if branch else ORANGE)
        return svg(figure)


def pipeline() -> bytes:
    """From the export to the report; the loop over repaired labels is drawn as a way back."""
    first = [
        ("Import", "COCO exports"),
        ("Inspect", "broken, empty,\nbox-only labels"),
        ("Group copies", "name and\nlikeness"),
        ("Split", "train, val, test"),
        ("Freeze labels", "a named set"),
    ]
    second = [
        ("Report", "this document"),
        ("Repair masks", "new label\nrevisions"),
        ("Browse failures", "worst first"),
        ("Score", "test split"),
        ("Train", "best epoch kept"),
    ]
    xs = [1.0 + 2.1 * place for place in range(5)]
    with style():
        figure, axes = _canvas(10.4, 2.75)
        for x, (title, detail) in zip(xs, first, strict=True):
            _box(axes, x, 2.1, 1.6, 0.85, title, detail, BLUE)
        for x, (title, detail) in zip(xs, second, strict=True):
            _box(axes, x, 0.65, 1.6, 0.85, title, detail, GREEN if title == "Report" else ORANGE)
        for left, right in pairwise(xs):
            _arrow(axes, (left + 0.83, 2.1), (right - 0.83, 2.1))
        for left, right in pairwise(xs[1:]):
            _arrow(axes, (right - 0.83, 0.65), (left + 0.83, 0.65))
        _arrow(axes, (xs[4], 1.65), (xs[4], 1.1))
        _path(axes, [(xs[1], 1.1), (xs[1], 1.37), (xs[4] - 0.4, 1.37), (xs[4] - 0.4, 1.65)], ORANGE)
        axes.text(xs[2] + 1.05, 1.43, "again on repaired labels", ha="center", size=6.5, color=MUTED)
        _path(axes, [(xs[3], 0.2), (xs[3], 0.06), (xs[0], 0.06), (xs[0], 0.2)], GREEN)
        return svg(figure)


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Axes whose units are those of the drawing, without frame or margin."""
    figure = Figure(figsize=(7.2, 7.2 * height / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def _box(axes: Axes, x: float, y: float, width: float, height: float, title: str, detail: str, colour: str) -> None:
    """A rounded box around its middle (x, y), title over detail."""
    corner = min(0.12, height / 4)
    shape = FancyBboxPatch(
        (x - width / 2 + corner, y - height / 2 + corner),
        width - 2 * corner,
        height - 2 * corner,
        boxstyle=f"round,pad={corner}",
        facecolor=(*_rgb(colour), 0.14),
        edgecolor=colour,
        linewidth=1.1,
    )
    axes.add_patch(shape)
    lines = detail.count("\n") + 1 if detail else 0
    rise = 0.1 * lines
    size = 7.5 if height > 0.3 else 6
    axes.text(x, y + rise, title, ha="center", va="center", weight="bold", size=size)
    if detail:
        drop = 0.12 + 0.1 * title.count("\n")
        axes.text(x, y + rise - drop, detail, ha="center", va="top", size=6.5, linespacing=1.25)


def _arrow(axes: Axes, start: Point, end: Point, colour: str = INK) -> None:
    arrow = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8, "linewidth": 1.1}
    axes.annotate("", xy=end, xytext=start, arrowprops=arrow)


def _path(axes: Axes, points: list[Point], colour: str) -> None:
    """A line with corners that ends in an arrow."""
    axes.plot(*zip(*points[:-1], strict=True), color=colour, linewidth=1.1)
    _arrow(axes, points[-2], points[-1], colour)


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))  # type: ignore[return-value]
