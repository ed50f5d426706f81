"""Outlines: a mask as polygons that draw the very same mask again, holes and hairlines included.

The outline runs through the middle of every edge between a set and an unset pixel (marching squares), pixels that touch
at a corner belong together, and each hole is cut open to its surroundings by a vertical line walked both ways. Formats
without holes (COCO, YOLO) can hold that as one ring, and as the line is vertical and passes pixel centres there and
back, no pixel changes.
"""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from core.masks.mask import Mask

Ring = NDArray[np.float64]
_Point = tuple[float, float]


def outlines(mask: Mask) -> list[Ring]:
    """mask: (H, W) bool. Returns one ring a component (8-connected), each (N, 2) xy with N >= 4, not closed.

    (0, 0) is the photo's corner, not the first pixel's centre. `core.masks.mask.fill_polygon` of every ring, united, is the
    mask; other rasterisers differ by the pixels on the rim. An empty mask has no outlines.
    """
    contours = find_contours(np.pad(mask, 1).astype(np.float32), 0.5, fully_connected="high")
    rings = [contour[:-1, ::-1] - 0.5 for contour in contours]  # padding off, pixel centres to corners
    points = [list(map(tuple, ring.tolist())) for ring in rings]
    owner = {point: number for number, ring in enumerate(points) for point in ring}  # no two rings share a point
    holes: dict[_Point, list[_Point]] = {}  # where a hole is attached -> the holes' points to enter by
    outer = []
    for number, ring in enumerate(points):
        if _signed_area(rings[number]) > 0:
            outer.append(number)
            continue
        x, y = min((point for point in ring if point[1].is_integer()), key=lambda point: (point[1], point[0]))
        column = mask[: int(y), int(x)]  # the pixels straight above the hole's top
        gap = np.flatnonzero(~column)
        holes.setdefault((x, float(gap[-1] + 1) if len(gap) else 0.0), []).append((x, y))
    return [_drop_straight(_walk(points, owner, holes, number)) for number in outer]


def _walk(points: list[list[_Point]], owner: dict[_Point, int], holes: dict[_Point, list[_Point]], outer: int) -> Ring:
    """The outer ring with a detour around each hole where it is attached, and around the holes attached to that."""
    walked: list[_Point] = []
    ahead = points[outer][::-1]  # a stack: the next point is the last
    while ahead:
        point = ahead.pop()
        walked.append(point)
        for entry in holes.pop(point, []):
            ring = points[owner[entry]]
            start = ring.index(entry)
            ahead += [point, entry, *ring[:start][::-1], *ring[start:][::-1]]
    return np.array(walked)


def _signed_area(ring: Ring) -> float:
    """Positive for an outer ring as `find_contours` turns it, negative for a hole."""
    x, y = ring.T
    return float(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1)))


def _drop_straight(ring: Ring) -> Ring:
    """Without the points in the middle of a straight line; the ends of a cut stay."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    back = (before * after).sum(axis=1) < 0
    return ring[turns | back]
