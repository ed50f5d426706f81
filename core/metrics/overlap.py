"""Overlap metrics. Count pixels first, score second: counts add up over a data set, scores do not.

An empty label with an empty prediction is agreement, 1.0: a clean wall predicted clean. mIoU in this project is the
mean over samples of the foreground IoU, as in the published table.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.masks.mask import Mask

_COUNTED_EXACTLY = 2**23
"""Pixels; OpenCV counts in float32, which is exact up to twice as many."""


@dataclass(frozen=True)
class PixelCounts:
    """Pixels by agreement: predicted and true, predicted only, true only, neither."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "PixelCounts") -> "PixelCounts":
        return PixelCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)


def count_pixels(prediction: Mask, truth: Mask) -> PixelCounts:
    """prediction, truth: (H, W) bool of one shape. Raises ValueError when the shapes differ."""
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    tp = int(np.count_nonzero(prediction & truth))
    predicted, true = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    return PixelCounts(tp, predicted - tp, true - tp, prediction.size - predicted - true + tp)


def overlap_by_level(levels: NDArray[np.uint8], truth: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and false positives of `levels >= level` for each level 0 to 255, from one histogram of each side.

    levels: (H, W) uint8, truth: (H, W) bool. Returns tp, fp: (256,) int64 each, pixels.
    """
    inside, everywhere = np.zeros(256, np.int64), np.zeros(256, np.int64)
    pieces = levels.size // _COUNTED_EXACTLY + 1
    for some, of_truth in zip(np.array_split(levels, pieces), np.array_split(truth, pieces), strict=True):
        some, only = np.ascontiguousarray(some), np.ascontiguousarray(of_truth).view(np.uint8)
        inside += cv2.calcHist([some], [0], only, [256], [0, 256]).ravel().astype(np.int64)
        everywhere += cv2.calcHist([some], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return inside[::-1].cumsum()[::-1], (everywhere - inside)[::-1].cumsum()[::-1]


def iou(counts: PixelCounts) -> float:
    """Jaccard index in [0, 1]. Both empty is agreement, 1.0."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def dice(counts: PixelCounts) -> float:
    """Dice coefficient (pixel F1) in [0, 1]. Both empty is agreement, 1.0."""
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def precision(counts: PixelCounts) -> float:
    """Share of the predicted pixels that are true. Nothing predicted: 1.0 if nothing is true, else 0.0."""
    return _ratio(counts.tp, counts.tp + counts.fp, when_empty=float(counts.fn == 0))


def recall(counts: PixelCounts) -> float:
    """Share of the true pixels that were found. Nothing true: 1.0 if nothing is predicted, else 0.0."""
    return _ratio(counts.tp, counts.tp + counts.fn, when_empty=float(counts.fp == 0))


def _ratio(part: int, whole: int, when_empty: float = 1.0) -> float:
    return part / whole if whole else when_empty
