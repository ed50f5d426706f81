"""How fast masks are scored: `drywall-qa bench metrics`, one core, on generated walls of 640 px and their labels moved and widened.

All metrics of a pair, and IoU at every threshold of a sample beside torchmetrics' precision-recall curve at the same thresholds,
whose counts must be equal.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from scipy import ndimage
from torchmetrics.classification import BinaryPrecisionRecallCurve

from core.masks.mask import Mask
from core.metrics.table import all_metrics
from core.progress import Progress, silent
from data.synthetic.walls import make_scene
from training.scoring.stored_probs import THRESHOLDS, Probs, counts_by_threshold

SIDE_PX, GRIDS = 640, {"at the photo's resolution": (640, 640), "on CLIPSeg's grid": (352, 352)}


def samples(count: int, seed: int = 0) -> list[tuple[Probs, Mask, Mask]]:
    """Of each: probabilities (H, W) uint8, the mask of them at 0.5, and the truth. Cracks and joints in turn."""
    random, found = np.random.default_rng(seed), []
    for number in range(count):
        truth = make_scene(seed + number, (SIDE_PX, SIDE_PX)).masks[("cracks", "taping")[number % 2]]
        moved = ndimage.shift(truth.astype(np.float32), random.integers(-2, 3, 2), order=0)
        soft = cv2.GaussianBlur(moved, (0, 0), 2.0) + 0.1 * random.random(truth.shape, np.float32)
        probs = np.minimum(soft * 256, 255).astype(np.uint8)
        found.append((probs, probs >= 128, truth))
    return found


def run_metrics_bench(rounds: int, on_progress: Progress = silent, count: int = 40) -> dict[str, Any]:
    """The document of `drywall-qa bench metrics`. Raises ValueError where torchmetrics counts otherwise."""
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        made = samples(count)
        document: dict[str, Any] = {"pairs": count, "side_px": SIDE_PX, "all_metrics_ms": {}}
        for name, grid_hw in GRIDS.items():
            all_metrics(made[0][1], made[0][2], grid_hw)  # compiles
            timed = [_seconds(lambda: all_metrics(mask, truth, grid_hw)) for _ in range(rounds) for _, mask, truth in made]  # noqa: B023
            document["all_metrics_ms"][name] = 1000 * statistics.median(timed)
        ours, theirs = [], []
        for number, (probs, _, truth) in enumerate(made * rounds):
            on_progress("all thresholds", number, count * rounds)
            ours.append(_seconds(lambda: counts_by_threshold(probs, truth)))  # noqa: B023
            theirs.append(_seconds(lambda: _by_torchmetrics(probs, truth)))  # noqa: B023
            if number < count and _ours(probs, truth) != _by_torchmetrics(probs, truth):
                raise ValueError("torchmetrics counts otherwise at some threshold")
        ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
        document["all_thresholds"] = {
            "thresholds": len(THRESHOLDS),
            "ours_ms": 1000 * statistics.median(ours),
            "torchmetrics_ms": 1000 * statistics.median(theirs),
            "ratio": ratio,
        }
        return document
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


def _ours(probs: Probs, truth: Mask) -> list[tuple[int, int, int]]:
    return [(counts.tp, counts.fp, counts.fn) for counts in counts_by_threshold(probs, truth)]


def _by_torchmetrics(probs: Probs, truth: Mask) -> list[tuple[int, int, int]]:
    levels = torch.tensor(np.ceil(THRESHOLDS * 256 - 1e-9) / 256, dtype=torch.float32)
    curve = BinaryPrecisionRecallCurve(thresholds=levels, validate_args=False)
    curve.update(torch.from_numpy(probs).float() / 256, torch.from_numpy(truth))
    return [(int(one[1, 1]), int(one[0, 1]), int(one[1, 0])) for one in curve.confmat]


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
