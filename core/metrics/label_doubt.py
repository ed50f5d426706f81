"""How much a model doubts a label: where it is sure of the opposite, both ways.

The score is the soft minimum over pixels of the probability the model gives to each pixel's own label, after Lad & Mueller
2023, "Estimating label quality and errors in semantic segmentation data via any model" (arXiv:2307.05080), the image-level
form of confident learning (Northcutt et al. 2021, arXiv:1911.00068). A mean would drown a missed crack in bare wall.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.masks.mask import Mask

TEMPERATURE = 0.1  # of the soft minimum, as in the paper


@dataclass(frozen=True)
class Doubt:
    """Each in [0, 1]. noise: 1 - the soft minimum. missed: share of the model's foreground that lies outside the label, so
    what the label may have missed. unsupported: mean of 1 - probability inside the label, so what it may have too much."""

    noise: float
    missed: float
    unsupported: float


def doubt(probs: NDArray[np.uint8], label: Mask) -> Doubt:
    """probs: (H, W) uint8 in 256 equal steps of [0, 1]; label: (H, W) bool.

    Counted from two histograms, so a 12-megapixel photo takes milliseconds. Nothing predicted: nothing is missed. Nothing
    labelled: nothing is unsupported. Raises ValueError when the shapes differ.
    """
    if probs.shape != label.shape:
        raise ValueError(f"probs {probs.shape} and label {label.shape} differ in shape")
    inside = np.bincount(probs[label], minlength=256)
    outside = np.bincount(probs.ravel(), minlength=256) - inside
    level = (np.arange(256) + 0.5) / 256  # the middle of each step
    own = np.concatenate([level, 1 - level])  # the probability of the pixel's own label
    weight = np.concatenate([inside, outside]) * np.exp((1 - own) / TEMPERATURE)
    predicted = float((inside + outside) @ level)
    return Doubt(
        noise=1 - float(own @ weight) / float(weight.sum()),
        missed=float(outside[128:] @ level[128:]) / predicted,
        unsupported=float(inside @ (1 - level)) / max(1, int(inside.sum())),
    )
