"""What is measured of a photo and of a label, without any model."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.masks.mask import Mask
from core.metrics.skeleton import skeleton
from core.photos import Photo

_SIDE_PX = 640
"""Sharpness depends on size, so photos are measured at this longer side."""
_CUT_OUT_SHARE = 0.002
_ISLAND_SHARE, _ISLAND_PX = 0.02, 16
_DARKER = 0.15


@dataclass(frozen=True)
class PhotoMeasures:
    """brightness: mean grey, in [0, 1]. sharpness: variance of the Laplacian of grey in [0, 255], 0 for a flat photo (Pech-Pacheco
    et al. 2000). cut_outs: share of the photo in black pieces with no light at all, as augmentation leaves them."""

    brightness: float
    sharpness: float
    cut_outs: float


@dataclass(frozen=True)
class LabelMeasures:
    """area: share of the photo. parts: pieces. islands: those of at most 2 % of the largest, or of 16 px (of a photo 640 px wide).
    width_px: median width along the middle line, on a photo 640 px wide; 0 of an empty label. dark: share of the label that is
    darker than the wall beside it, by 15 % of its grey: a crack's own share of its label; None where nothing lies beside."""

    area: float
    parts: int
    islands: int
    width_px: float
    dark: float | None


def measure_photo(photo: Photo) -> PhotoMeasures:
    """photo: (H, W, 3) uint8."""
    grey = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2GRAY)
    black = (photo.max(axis=2) == 0).view(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(black, connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    cut = areas[areas >= _CUT_OUT_SHARE * black.size].sum()
    scale = min(1.0, _SIDE_PX / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    return PhotoMeasures(
        float(grey.mean()) / 255, float(cv2.Laplacian(small, cv2.CV_64F, ksize=3).var()), float(cut) / black.size
    )


def measure_label(label: Mask, photo: Photo) -> LabelMeasures:
    """label: (H, W) bool; photo: (H, W, 3) uint8."""
    if not label.any():
        return LabelMeasures(0.0, 0, 0, 0.0, None)
    px = max(label.shape) / _SIDE_PX
    bits = np.ascontiguousarray(label).view(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(bits, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    small = (areas <= _ISLAND_SHARE * areas.max()) | (areas <= _ISLAND_PX * px * px)
    inside = cv2.distanceTransform(np.pad(bits, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    line = skeleton(label)
    width = float(np.median(2 * inside[line] - 1)) / px
    reach = max(3, round(6 * px))
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    beside = cv2.dilate(bits, square).view(bool) & ~label & (photo.max(axis=2) > 0)
    dark = None
    if beside.sum() >= 50:
        grey = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2GRAY).astype(np.float32)
        across = 2 * (reach + int(inside.max())) + 1  # from the middle of the label out to the wall
        window = (across, across)
        wall = cv2.blur(grey * beside, window) / np.maximum(cv2.blur(beside.astype(np.float32), window), 1e-3)
        known = label & (wall > 1)
        dark = float((grey[known] < (1 - _DARKER) * wall[known]).mean()) if known.any() else None
    return LabelMeasures(float(label.mean()), len(areas), int(small.sum() - small.all()), width, dark)
