"""The resolution ceiling: the IoU a sample can reach on the grid that the model answers on.

CLIPSeg answers on 352 x 352 whatever the photo's size. A crack of 2 px in a photo of 4000 px is a fifth of a grid cell,
so even the truth itself, taken down to that grid and back as every prediction is, is no longer the truth.
"""

import numpy as np
from PIL import Image

from core.masks.mask import Mask
from core.metrics.overlap import overlap_by_level

TILES_HELP_BELOW = 0.8
"""Below this ceiling the grid, not the model, is a main reason for a low IoU."""


def resolution_ceiling(truth: Mask, grid_hw: tuple[int, int]) -> float:
    """The best IoU, over all thresholds, of truth taken down to the grid (area mean) and back (bilinear), in (0, 1].

    truth: (H, W) bool. grid_hw: what the model answers on, at least 1 x 1; a side that is not coarser than the photo's
    loses nothing. The way down and back is that of a prediction; it is a bound for practice, not for proof, since a
    prediction may fall better on the grid than the mean does. Empty truth is 1.0: nothing can be lost.
    """
    height, width = truth.shape
    grid = (min(grid_hw[1], width), min(grid_hw[0], height))  # PIL: width first
    if not truth.any() or grid == (width, height):
        return 1.0
    coarse = Image.fromarray(truth.astype(np.uint8) * 255).resize(grid, Image.Resampling.BOX)
    tp, fp = overlap_by_level(np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR)), truth)
    return float((tp / (np.count_nonzero(truth) + fp)).max())


def iou_of_possible(iou: float, ceiling: float) -> float:
    """IoU as a share of its ceiling, in [0, 1]; one that beats its ceiling is all of the possible, 1.0."""
    return min(1.0, iou / ceiling)


def ceiling_sentence(truth: Mask, grid_hw: tuple[int, int]) -> str:
    """What the grid allows for this sample, and what tiles would allow; empty where the grid is fine enough."""
    ceiling = resolution_ceiling(truth, grid_hw)
    if ceiling >= TILES_HELP_BELOW:
        return ""
    height, width = grid_hw
    tiled = resolution_ceiling(truth, (2 * height, 2 * width))
    return (
        f"The model answers on {width} x {height} for a photo of {truth.shape[1]} x {truth.shape[0]}, so IoU can hardly "
        f"pass {ceiling:.2f} here. Tiles would help: 2 x 2 of them lift the bound to {tiled:.2f}."
    )
