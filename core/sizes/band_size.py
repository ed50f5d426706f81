"""Real-world sizes: how long a crack or a joint is and how wide, from its mask; with a scale in millimetres.

The skeleton gives the length, the distance from the skeleton to the outline half the width. Both are held against drawn
bands: see tests/core/sizes/test_sizes.py for how far off they are.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.measure import find_contours
from skimage.morphology import skeletonize

from core.errors import RequestError
from core.masks.mask import Mask

_SMOOTHING = 10  # rounds of averaging neighbours: a staircase of pixels becomes the line it stands for
_SPUR = 1.5  # a side branch this many half widths long is the corner of an end or a bump of the rim, not a crack


@dataclass(frozen=True)
class BandSize:
    """Of all parts of a mask together: their lengths summed, the mean width along them, the greatest width and where it is.

    The length reaches from end to end, caps included. widest_xy: (x, y) in pixels from the photo's corner.
    """

    length_px: float
    width_mean_px: float
    width_max_px: float
    widest_xy: tuple[float, float]


def scale_from_points(p_xy: tuple[float, float], q_xy: tuple[float, float], length_mm: float) -> float:
    """Pixels per mm from two points of the photo and the true distance between them.

    Raises RequestError when the points coincide or the length is not positive and finite.
    """
    if not (math.isfinite(length_mm) and length_mm > 0):
        raise RequestError(f"the length between the two points must be a positive number of mm, got {length_mm}")
    distance_px = math.dist(p_xy, q_xy)
    if not (math.isfinite(distance_px) and distance_px > 0):
        raise RequestError(f"the two points of the scale are the same place, {p_xy}; choose two that lie apart")
    return distance_px / length_mm


def band_size(mask: Mask) -> BandSize | None:
    """mask: (H, W) bool. None for an empty mask.

    Where branches meet, the widest circle is wider than any of them, so no width is taken within it.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, left = rows[0], columns[0]
    inside = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    points = np.argwhere(skeletonize(inside, method="lee")).astype(float)  # (N, 2) row, column of pixel centres
    radius = _radius(points, inside)
    links = _links(points)
    before = len(points) + 1
    while len(points) < before:  # a branch whose own branches went may be a spur now
        before = len(points)
        points, radius, links = _without_spurs(points, radius, links)
    degree = np.bincount(links.ravel(), minlength=len(points))
    lengths = _smoothed_lengths(points, links, degree)
    ends = _beyond_ends(points, radius, degree, inside)
    along = np.bincount(links.ravel(), np.repeat(lengths / 2, 2), len(points)) + ends
    counted = _away_from_junctions(points, radius, degree)
    widest = int(np.argmax(np.where(counted, radius, 0)))
    y, x = points[widest] - 1 + (top + 0.5, left + 0.5)
    mean = 2 * float(np.average(radius[counted], weights=along[counted]))
    return BandSize(float(lengths.sum() + ends.sum()), mean, 2 * float(radius[widest]), (float(x), float(y)))


def _radius(points: NDArray[np.float64], inside: Mask) -> NDArray[np.float64]:
    """The radius of the widest circle near each skeleton pixel that fits the outline.

    The middle of a band of even width lies between pixels, so half a pixel around is tried as well.
    """
    outline = np.concatenate(find_contours(inside.astype(np.float32), 0.5, fully_connected="high"))
    between = (outline[1:] + outline[:-1]) / 2
    tree = cKDTree(np.concatenate([outline, between]))
    shifts = np.array([(y, x) for y in (-1, -0.5, 0, 0.5, 1) for x in (-1, -0.5, 0, 0.5, 1)])
    tried = points[:, None, :] + shifts
    low = np.floor(tried).astype(int)
    high = np.ceil(tried).astype(int)
    fits = inside[low[..., 0], low[..., 1]] & inside[high[..., 0], high[..., 1]]
    fits &= inside[low[..., 0], high[..., 1]] & inside[high[..., 0], low[..., 1]]
    return np.where(fits, tree.query(tried)[0], 0).max(axis=1)


def _links(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """(M, 2): neighbours among skeleton pixels; a diagonal only where no third pixel leads around it."""
    place = {(int(row), int(column)): number for number, (row, column) in enumerate(points)}
    found = []
    for (row, column), number in place.items():
        for near in ((row, column + 1), (row + 1, column)):
            if near in place:
                found.append((number, place[near]))
        for side in (-1, 1):
            corner = place.get((row + 1, column + side))
            if corner is not None and (row, column + side) not in place and (row + 1, column) not in place:
                found.append((number, corner))
    return np.array(found, np.intp).reshape(-1, 2)


def _without_spurs(
    points: NDArray[np.float64], radius: NDArray[np.float64], links: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Without the branches that end after no more than `_SPUR` half widths of what they branch from."""
    count = len(points)
    degree = np.bincount(links.ravel(), minlength=count)
    junction = degree > 2
    on_branch = links[~junction[links].any(axis=1)]
    graph = csr_array((np.ones(len(on_branch)), (on_branch[:, 0], on_branch[:, 1])), shape=(count, count))
    _, branch = connected_components(graph, directed=False)
    joins = links[junction[links].sum(axis=1) == 1]
    joins = np.where(junction[joins[:, :1]], joins, joins[:, ::-1])  # the junction first
    origin_radius = np.zeros(branch.max(initial=0) + 1)
    np.maximum.at(origin_radius, branch[joins[:, 1]], radius[joins[:, 0]])
    ends = np.bincount(branch[(degree == 1)], minlength=len(origin_radius))
    lengths = np.bincount(
        branch[links[:, 0]],
        np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1) * (branch[links[:, 0]] == branch[links[:, 1]]),
        len(origin_radius),
    )
    spur = (ends == 1) & (origin_radius > 0) & (lengths <= _SPUR * origin_radius)
    keep = ~(spur[branch] & ~junction)
    number = np.cumsum(keep) - 1
    return points[keep], radius[keep], number[links[keep[links].all(axis=1)]]


def _smoothed_lengths(points: NDArray[np.float64], links: NDArray[np.intp], degree: NDArray[np.intp]) -> NDArray[np.float64]:
    """The length of each link once the staircase is smoothed out; ends and junctions stay where they are.

    Counting 1 and √2 along the pixels instead overestimates a line by up to 8 %, depending on its angle.
    """
    count = len(points)
    both = np.concatenate([links, links[:, ::-1]])
    adjacency = csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count))
    smooth, inner = points.copy(), degree == 2
    for _ in range(_SMOOTHING):
        smooth[inner] = (smooth[inner] + (adjacency @ smooth)[inner]) / 3
    return np.linalg.norm(smooth[links[:, 0]] - smooth[links[:, 1]], axis=1)


def _beyond_ends(
    points: NDArray[np.float64], radius: NDArray[np.float64], degree: NDArray[np.intp], inside: Mask
) -> NDArray[np.float64]:
    """How far the mask goes on beyond each end of the skeleton, straight ahead; 0 for points that are no end.

    A skeleton stops about half a width short of the rim. A part whose skeleton is a single pixel is a disk.
    """
    beyond = np.where(degree == 0, 2 * radius, 0.0)
    tree = cKDTree(points)
    for end in np.flatnonzero(degree == 1):
        near = points[tree.query_ball_point(points[end], radius[end] + 2)]
        ahead = points[end] - near.mean(axis=0)
        steps = np.arange(0, 3 * radius[end] + 1, 0.25)
        way = np.rint(points[end] + steps[:, None] * ahead / np.linalg.norm(ahead)).astype(int)
        way = np.clip(way, 0, np.array(inside.shape) - 1)
        beyond[end] = steps[np.argmin(inside[way[:, 0], way[:, 1]])]
    return beyond


def _away_from_junctions(points: NDArray[np.float64], radius: NDArray[np.float64], degree: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which points lie outside the widest circle of every junction; all of them when none does."""
    counted = np.ones(len(points), bool)
    junctions = np.flatnonzero(degree > 2)
    if len(junctions):
        distance, nearest = cKDTree(points[junctions]).query(points)
        counted = distance > radius[junctions[nearest]]
    return counted if counted.any() else ~counted
