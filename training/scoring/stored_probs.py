"""Probabilities as a run keeps them: one 8-bit picture a sample, and the mask at any threshold from it."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import RequestError
from core.masks.mask import Mask
from core.metrics.overlap import PixelCounts, overlap_by_level

Probs = NDArray[np.uint8]
THRESHOLDS = np.round(np.arange(0.05, 1.0, 0.05), 2)


def counts_by_threshold(probs: Probs, truth: Mask) -> list[PixelCounts]:
    """Pixel counts at each of THRESHOLDS, from one histogram of each side. probs: (H, W) uint8, truth: (H, W) bool."""
    tp_from, fp_from = overlap_by_level(probs, truth)
    counts = []
    for threshold in THRESHOLDS:
        level = level_of(threshold)
        tp, fp = int(tp_from[level]), int(fp_from[level])
        counts.append(PixelCounts(tp, fp, int(tp_from[0]) - tp, int(fp_from[0]) - fp))
    return counts


def to_uint8(probs: NDArray[np.float32]) -> Probs:
    """Probabilities in [0, 1] in 256 equal steps, so that `mask_at` finds the same mask at 0.5."""
    return np.minimum(np.floor(probs * 256), 255).astype(np.uint8)


def mask_at(probs: Probs, threshold: float) -> Mask:
    """(H, W) bool. Raises ValueError unless 0 < threshold < 1."""
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie in (0, 1), got {threshold}")
    return probs >= level_of(threshold)


def read_probs(path: Path) -> Probs:
    """Raises RequestError when the run was not evaluated on that sample."""
    if not path.is_file():
        raise RequestError(f"{path.name} is missing below {path.parent}; evaluate the run again")
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return np.array(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"{path} is damaged; evaluate the run again") from error


def level_of(threshold: float) -> int:
    """The least grey that counts as predicted at this threshold."""
    return int(np.ceil(threshold * 256 - 1e-9))


def probs_png(probs: Probs) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(probs).save(buffer, format="PNG")
    return buffer.getvalue()
