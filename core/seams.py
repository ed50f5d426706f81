"""Seams: the true line of a taped joint inside the box that labels it, found in the photo, with a width and a confidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.bands import fit_band
from core.masks import Mask, draw_band, fill_box
from core.photos import Photo

Points = NDArray[np.floating]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Seam:
    """points_xy: (N, 2) float, pixels, (0.5, 0.5) is the first pixel's centre. confidence: in [0, 1]; from 0.5 on the
    band is more likely right than wrong. box_xywh: the box it was proposed in, whose sides cut the band."""

    points_xy: Points
    width_px: float
    confidence: float
    box_xywh: Box | None = None


def seam_mask(seams: Sequence[Seam], size_hw: tuple[int, int]) -> Mask:
    """(H, W) bool: every seam drawn as a band, cut at its box where it has one. Nothing is set without seams."""
    mask = np.zeros(size_hw, bool)
    for seam in seams:
        band = draw_band(seam.points_xy, seam.width_px, size_hw)
        mask |= band if seam.box_xywh is None else band & fill_box(seam.box_xywh, size_hw)
    return mask


def snap_to_ridge(photo: Photo, points_xy: Points, search_px: float = 12.0) -> Points:
    """Move a roughly drawn line onto the middle of the joint it follows; each end moves across by search_px at most.

    points_xy: (N, 2), N >= 2. Of more points, each piece between two is fitted and the pieces' ends are averaged.
    A line shorter than 8 px comes back as it is. Returns (N, 2).
    """
    if points_xy.ndim != 2 or points_xy.shape[1] != 2 or len(points_xy) < 2:
        raise ValueError(f"a line needs at least 2 points (N, 2), got {points_xy.shape}")
    grey, scale = photo.mean(axis=-1), min(photo.shape[:2]) / 640
    total, count = np.zeros(points_xy.shape), np.zeros((len(points_xy), 1))
    for first in range(len(points_xy) - 1):
        piece = points_xy[first : first + 2].astype(float)
        if np.hypot(*(piece[1] - piece[0])) >= 8:
            piece = fit_band(grey, piece, search_px, scale)[0].ends_xy
        total[first : first + 2] += piece
        count[first : first + 2] += 1
    return total / count


def propose_seams(photo: Photo, box_xywh: Sequence[float]) -> list[Seam]:
    """The joints inside one box, best first; none where the box is smaller than 4 px either way.

    box_xywh: pixels; it may leave the photo and is clipped to it.
    """
    x, y, width, height = box_xywh
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + width, photo.shape[1]), min(y + height, photo.shape[0])
    if right - left < 4 or bottom - top < 4:
        return []
    middle = np.array(((left + right) / 2, (top + bottom) / 2))
    half = np.array(((right - left) / 2, 0)) if right - left >= bottom - top else np.array((0, (bottom - top) / 2))
    ends = np.stack([middle - half, middle + half])
    return [Seam(ends, min(right - left, bottom - top), 0.1, (left, top, right - left, bottom - top))]
