"""Strokes: what the canvas sends back as Fabric.js JSON, drawn as vectors onto the mask at the photo's full resolution.

Format: Fabric.js 6 objects with origin "center". A stroke's colour says whether it adds or erases; its kind is its type:
Path (brush), Line (seam: a line with a width becomes a band), Polygon.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.masks import Mask, draw_band, fill_polygon

ADD_COLOUR, ERASE_COLOUR = "#009E73", "#D55E00"
Points = NDArray[np.float64]


def apply_strokes(mask: Mask, drawing: dict[str, Any] | None, canvas_width_px: int) -> Mask:
    """The mask after every stroke, in the order they were drawn. mask: (H, W) bool, is not changed.

    canvas_width_px: the width the strokes were drawn at; the canvas shows the whole photo in its own shape. Objects of
    another type are left out.
    """
    after, scale = mask.copy(), mask.shape[1] / canvas_width_px
    for drawn in (drawing or {}).get("objects", []):
        region = _rasterise(drawn, scale, mask.shape)
        if region is None:
            continue
        if str(drawn.get("stroke", "")).upper() == ERASE_COLOUR:
            after &= ~region
        else:
            after |= region
    return after


def _rasterise(drawn: dict[str, Any], scale: float, size_hw: tuple[int, int]) -> Mask | None:
    kind = drawn.get("type", "").lower()
    if kind == "polygon":
        points = _placed(np.array([(p["x"], p["y"]) for p in drawn["points"]], float), drawn)
        return fill_polygon(points * scale, size_hw) if len(points) >= 3 else None
    if kind == "path":
        points = _placed(_flatten(drawn["path"]), drawn)
    elif kind == "line":
        local = np.array([(drawn["x1"], drawn["y1"]), (drawn["x2"], drawn["y2"])], float)
        points = _placed(local, drawn, around=np.zeros(2))
    else:
        return None
    width_px = float(drawn["strokeWidth"]) * scale * abs(float(drawn.get("scaleX", 1)))
    return draw_band(points * scale, width_px, size_hw)


def _placed(points: Points, drawn: dict[str, Any], around: Points | None = None) -> Points:
    """Where the points lie on the canvas once the object was moved, scaled or turned with the edit tool."""
    if around is None:
        around = (points.min(axis=0) + points.max(axis=0)) / 2
    centre = np.array((drawn["left"], drawn["top"]), float)
    scales = np.array((drawn.get("scaleX", 1), drawn.get("scaleY", 1)), float)
    turn = np.deg2rad(drawn.get("angle", 0))
    if (scales == 1).all() and turn == 0 and np.abs(centre - around).max() < 1.5:
        centre = around  # not moved: the box of a curve is known to a pixel only, its points exactly
    rotation = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    return ((points - around) * scales) @ rotation + centre


def _flatten(path: list[list[Any]], pieces: int = 4) -> Points:
    """A path of M, L and Q commands as a polyline (N, 2)."""
    points: list[Points] = []
    for command, *numbers in path:
        ends = np.array(numbers, float).reshape(-1, 2)
        if command == "Q" and points:
            start, (control, end) = points[-1], ends
            for t in np.linspace(0, 1, pieces + 1)[1:]:
                points.append((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)
        elif len(ends):
            points.append(ends[-1])
    return np.array(points)
