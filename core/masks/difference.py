"""How one mask differs from another, from their run lengths alone: nothing is decoded, so a whole log is cheap."""

from dataclasses import dataclass

from core.masks.mask import Rle, intersect_rles, rle_area


@dataclass(frozen=True)
class MaskDifference:
    """iou in [0, 1], 1.0 for two empty masks; added_px: set in the new mask only; removed_px: in the old one only."""

    iou: float
    added_px: int
    removed_px: int


def mask_difference(old: Rle, new: Rle) -> MaskDifference:
    """Raises ValueError when the sizes differ."""
    common = rle_area(intersect_rles([old, new]))
    added, removed = rle_area(new) - common, rle_area(old) - common
    union = common + added + removed
    return MaskDifference(common / union if union else 1.0, added, removed)
