"""Metrics for thin structures, beside the overlap of `core.metrics.overlap`: they forgive a pixel, not a missing crack.

Count first, score second, here too: `MatchCounts` add up over a data set. An empty label with an empty prediction is
agreement, 1.0, and one empty side alone is 0.0, as for IoU. All of it works on the box around both masks, so an empty
wall around a crack costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.masks.mask import Mask
from core.metrics.overlap import PixelCounts, count_pixels

REFERENCE_SIDE_PX = 640
BOUNDARY_RATIO = 0.02
"""Width of the band boundary IoU looks at, as a share of the photo's diagonal: the published value."""
_FAR_PX = 12
"""To here a dilation by a disk is faster than distances; beyond it grows with the disk's area."""


@dataclass(frozen=True)
class MatchCounts:
    """Pixels of each side, and how many of them the other side confirms."""

    predicted_matched: int
    predicted: int
    true_matched: int
    true: int

    def __add__(self, other: "MatchCounts") -> "MatchCounts":
        return MatchCounts(
            self.predicted_matched + other.predicted_matched,
            self.predicted + other.predicted,
            self.true_matched + other.true_matched,
            self.true + other.true,
        )


def tolerance_px(reference_px: float, size_hw: tuple[int, int]) -> float:
    """A distance given for a photo whose longer side is 640 px, on a photo of this size: 2 is 2 at 640, 4 at 1280.

    Never under 1 px: below it nothing would be forgiven, since a neighbour is one pixel away.
    """
    return max(1.0, reference_px * max(size_hw) / REFERENCE_SIDE_PX)


def count_within(prediction: Mask, truth: Mask, distances_px: Sequence[float]) -> list[MatchCounts]:
    """Predicted pixels with truth within a Euclidean distance, and the other way round; one `MatchCounts` a distance.

    prediction, truth: (H, W) bool of one shape. distances_px: pixels of this photo, each >= 0; at 0 the counts are
    those of `count_pixels`. This is the tolerance of boundary benchmarks (Martin et al. 2004) on whole masks.
    """
    prediction, truth = crop_to_both(prediction, truth)
    predicted, true = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    return [
        MatchCounts(
            int(np.count_nonzero(prediction & within(truth, distance))),
            predicted,
            int(np.count_nonzero(truth & within(prediction, distance))),
            true,
        )
        for distance in distances_px
    ]


def within(mask: Mask, distance_px: float) -> Mask:
    """(H, W) bool: the pixels with a set one of the mask at most so far away, in Euclidean distance; >= 0."""
    if not mask.size:
        return mask
    reach = int(distance_px)
    if reach > _FAR_PX:
        return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= distance_px
    rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disk = (rows**2 + columns**2 <= distance_px**2).astype(np.uint8)
    return cv2.dilate(np.ascontiguousarray(mask).view(np.uint8), disk).view(bool)


def count_skeletons(prediction: Mask, truth: Mask) -> MatchCounts:
    """Skeleton pixels of each side that lie inside the other mask; their `match_f1` is clDice (Shit et al. 2021).

    prediction, truth: (H, W) bool of one shape. Skeletons by `core.metrics.skeleton` (Zhang & Suen 1984).
    """
    from core.metrics.skeleton import skeleton  # brings numba, which takes a second; most programs need it not

    prediction, truth = crop_to_both(prediction, truth)
    predicted_line, true_line = skeleton(prediction), skeleton(truth)
    return MatchCounts(
        int(np.count_nonzero(predicted_line & truth)),
        int(np.count_nonzero(predicted_line)),
        int(np.count_nonzero(true_line & prediction)),
        int(np.count_nonzero(true_line)),
    )


def count_boundaries(prediction: Mask, truth: Mask, ratio: float = BOUNDARY_RATIO) -> PixelCounts:
    """Pixels by agreement of the two masks' inner boundary bands; their `iou` is boundary IoU (Cheng et al. 2021).

    The band is what `round(ratio * diagonal)` erosions by a 3x3 square take away, the photo's border counting as
    background. A structure thinner than two bands is all boundary: for a crack this is IoU, for a wide joint it is not.
    """
    band_px = max(1, round(ratio * float(np.hypot(*prediction.shape))))
    size = prediction.size
    prediction, truth = crop_to_both(prediction, truth)
    counts = count_pixels(_inner_band(prediction, band_px), _inner_band(truth, band_px))
    return counts + PixelCounts(0, 0, 0, size - prediction.size)


def match_precision(counts: MatchCounts) -> float:
    """Share of the predicted pixels that truth confirms. Nothing predicted: 1.0 if nothing is true, else 0.0."""
    return counts.predicted_matched / counts.predicted if counts.predicted else float(counts.true == 0)


def match_recall(counts: MatchCounts) -> float:
    """Share of the true pixels that the prediction confirms. Nothing true: 1.0 if nothing is predicted, else 0.0."""
    return counts.true_matched / counts.true if counts.true else float(counts.predicted == 0)


def match_f1(counts: MatchCounts) -> float:
    """Harmonic mean of `match_precision` and `match_recall`, in [0, 1]. Both empty is agreement, 1.0."""
    precision, recall = match_precision(counts), match_recall(counts)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def match_iou(counts: MatchCounts) -> float:
    """True pixels found, over true pixels and false alarms, in [0, 1]: IoU at distance 0. Both empty is 1.0."""
    whole = counts.true + counts.predicted - counts.predicted_matched
    return counts.true_matched / whole if whole else 1.0


def crop_to_both(prediction: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """Views of both on the smallest box that holds both; (0, 0) when both are empty. Raises ValueError for two shapes."""
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    either = prediction | truth
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    if not rows.size:
        return prediction[:0, :0], truth[:0, :0]
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return prediction[box], truth[box]


def _inner_band(mask: Mask, band_px: int) -> Mask:
    """Pixels within `band_px` of the background in chessboard distance: what that many 3x3 erosions remove."""
    if not mask.size:
        return mask
    square = np.ones((2 * band_px + 1, 2 * band_px + 1), np.uint8)
    kept = cv2.erode(np.ascontiguousarray(mask).view(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & ~kept.view(bool)
