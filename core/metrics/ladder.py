"""The tolerance ladder: is a low IoU a wrong crack, or the right crack a pixel beside its label?

A crack of 2 px predicted one pixel off has an IoU near 0.39, and nobody on the site would call it wrong. The ladder
scores the same two masks at growing tolerance and at the best small move, and names that case a thin shift.
"""

from dataclasses import dataclass

import numpy as np

from core.masks.mask import Mask
from core.metrics.thin import REFERENCE_SIDE_PX, count_within, crop_to_both, match_f1, match_iou

RUNGS_PX = (0, 1, 2, 4)
LOW_IOU, HIGH_F1 = 0.5, 0.9


@dataclass(frozen=True)
class Rung:
    """IoU and F1 in [0, 1] where a pixel counts as found when the other side has one within `tolerance_px`."""

    tolerance_px: float
    iou: float
    f1: float


@dataclass(frozen=True)
class Ladder:
    """rungs: one for each of RUNGS_PX. shift_yx: the move of the prediction, in px, that gives the best IoU."""

    rungs: tuple[Rung, ...]
    shift_yx: tuple[int, int]
    shifted_iou: float

    @property
    def is_thin_shift(self) -> bool:
        return is_thin_shift(self.rungs[0].iou, self.rungs[2].f1)

    def sentence(self) -> str:
        """What the ladder says, for people. Empty unless it is a thin shift."""
        if not self.is_thin_shift:
            return ""
        start = f"IoU {self.rungs[0].iou:.2f}, yet F1 within {self.rungs[2].tolerance_px:g} px is {self.rungs[2].f1:.2f}"
        if self.shifted_iou - self.rungs[0].iou < 0.1:
            return f"{start}: the right line, with another width or course than the label."
        down, right = self.shift_yx
        parts = [f"{abs(n)} px {a if n > 0 else b}" for n, a, b in ((down, "down", "up"), (right, "right", "left")) if n]
        return f"{start}: the right line, beside its label. Moved {' and '.join(parts)} it has IoU {self.shifted_iou:.2f}."


def is_thin_shift(iou: float, f1_near: float) -> bool:
    """IoU below 0.5 although at 2 px nine tenths agree. f1_near: tolerant F1 at 2 px, in [0, 1]."""
    return iou < LOW_IOU and f1_near >= HIGH_F1


def tolerance_ladder(prediction: Mask, truth: Mask) -> Ladder:
    """prediction, truth: (H, W) bool of one shape. Both empty is 1.0 on every rung.

    The rungs are 0, 1, 2, 4 px of a photo of up to 640 px and grow with a larger one.
    """
    scale = max(1.0, max(truth.shape) / REFERENCE_SIDE_PX)
    distances = [rung * scale for rung in RUNGS_PX]
    counts = count_within(prediction, truth, distances)
    rungs = tuple(Rung(d, match_iou(c), match_f1(c)) for d, c in zip(distances, counts, strict=True))
    return Ladder(rungs, *best_shift(prediction, truth, max(RUNGS_PX), round(scale)))


def best_shift(prediction: Mask, truth: Mask, steps: int, step_px: int = 1) -> tuple[tuple[int, int], float]:
    """The (down, right) move of the prediction that gives the best IoU, the shortest such move, and that IoU.

    Tried are all moves of up to `steps` steps each way of step_px pixels. What is moved over the photo's edge still
    counts as predicted. Either side empty: no move.
    """
    prediction, truth = crop_to_both(prediction, truth)
    area = np.count_nonzero(prediction) + np.count_nonzero(truth)
    rows, columns = np.nonzero(truth)
    reach_px = steps * step_px
    padded = np.pad(prediction, reach_px)
    best, best_iou = (0, 0), -1.0
    reach = range(-reach_px, reach_px + 1, step_px)
    for down, right in sorted(((y, x) for y in reach for x in reach), key=lambda yx: yx[0] ** 2 + yx[1] ** 2):
        tp = np.count_nonzero(padded[rows + reach_px - down, columns + reach_px - right])
        iou = tp / (area - tp) if area else 1.0
        if iou > best_iou:
            best, best_iou = (down, right), iou
    return best, float(best_iou)
