"""The resolution ceiling: the IoU a sample can reach on the grid that the model answers on.

CLIPSeg answers on 352 x 352 whatever the photo's size. A crack of 2 px in a photo of 4000 px is a fifth of a grid cell,
so even the truth itself, taken down to that grid and back as every prediction is, is no longer the truth.
"""

import numpy as np
from numpy.typing import NDArray
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
    coarse = Image.fromarray(truth.view(np.uint8) * 255).resize(grid, Image.Resampling.BOX)
    rows, columns = (_around(np.asarray(truth.any(axis=1 - axis)), cells) for axis, cells in ((0, grid[1]), (1, grid[0])))
    scale_x, scale_y = grid[0] / width, grid[1] / height
    box = (columns.start * scale_x, rows.start * scale_y, columns.stop * scale_x, rows.stop * scale_y)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    back = np.asarray(coarse.resize(size, Image.Resampling.BILINEAR, box=box))
    tp, fp = (counts[1:] for counts in overlap_by_level(back, truth[rows, columns]))  # of level 0, all of the photo, below
    true = np.count_nonzero(truth)
    return max(float((tp / (true + fp)).max()), true / truth.size)


def _around(seen: NDArray[np.bool_], cells: int) -> slice:
    """From the first to the last that is set, and two cells of the grid further: what the way back can reach."""
    found, margin = np.flatnonzero(seen), 2 * -(-len(seen) // cells)
    return slice(max(0, found[0] - margin), min(len(seen), found[-1] + 1 + margin))


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
