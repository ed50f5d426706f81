"""Every metric of a sample under one key and one title, and what a table of scores says about a split."""

from typing import Any

import numpy as np
import pandas as pd

from core.masks.mask import Mask
from core.metrics.ceiling import TILES_HELP_BELOW, iou_of_possible, resolution_ceiling
from core.metrics.overlap import count_pixels, dice, iou, precision, recall
from core.metrics.thin import (
    count_boundaries,
    count_skeletons,
    count_within,
    match_f1,
    match_precision,
    match_recall,
    tolerance_px,
)

TOLERANCES_PX = (2, 5)
"""Of a photo whose longer side is 640 px (`core.metrics.thin.tolerance_px`)."""

TITLES = {
    "iou": "IoU",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "tolerant_f1_2px": "Tolerant F1, 2 px",
    "tolerant_precision_2px": "Tolerant precision, 2 px",
    "tolerant_recall_2px": "Tolerant recall, 2 px",
    "tolerant_f1_5px": "Tolerant F1, 5 px",
    "tolerant_precision_5px": "Tolerant precision, 5 px",
    "tolerant_recall_5px": "Tolerant recall, 5 px",
    "boundary_iou": "Boundary IoU",
    "cldice": "clDice",
    "ceiling": "IoU ceiling",
    "iou_of_possible": "IoU of the possible",
}
"""Columns of the scores table and their titles, in the order of every table. A mean of IoU over samples is mIoU."""

HEADLINE = ("iou", "dice", "tolerant_f1_2px", "tolerant_f1_5px", "boundary_iou", "cldice", "iou_of_possible")
"""One number a metric: what two runs are compared by and a gallery is ordered by."""


def all_scores(prediction: Mask, truth: Mask, grid_hw: tuple[int, int]) -> dict[str, float]:
    """Every metric of TITLES. prediction, truth: (H, W) bool; grid_hw: what the model answered on (`core.metrics.ceiling`)."""
    counts = count_pixels(prediction, truth)
    scores = {"iou": iou(counts), "dice": dice(counts), "precision": precision(counts), "recall": recall(counts)}
    distances = [tolerance_px(reference, truth.shape) for reference in TOLERANCES_PX]
    for reference, matches in zip(TOLERANCES_PX, count_within(prediction, truth, distances), strict=True):
        scores[f"tolerant_f1_{reference}px"] = match_f1(matches)
        scores[f"tolerant_precision_{reference}px"] = match_precision(matches)
        scores[f"tolerant_recall_{reference}px"] = match_recall(matches)
    scores["boundary_iou"] = iou(count_boundaries(prediction, truth))
    scores["cldice"] = match_f1(count_skeletons(prediction, truth))
    scores["ceiling"] = resolution_ceiling(truth, grid_hw)
    scores["iou_of_possible"] = iou_of_possible(scores["iou"], scores["ceiling"])
    return scores


def headline(score: Any) -> str:
    """`IoU 0.390 · tolerant F1 1.000` of a row of the scores table, the second where it is known."""
    known = score.tolerant_f1_2px is not None and not np.isnan(score.tolerant_f1_2px)
    return f"IoU {score.iou:.3f}" + (f" · tolerant F1 {score.tolerant_f1_2px:.3f}" if known else "")


def mean_key(key: str) -> str:
    """`iou` -> `miou`, as published; every other metric's mean keeps its name."""
    return "miou" if key == "iou" else key


def means(table: pd.DataFrame) -> dict[str, Any]:
    """Means over samples, as in the published table, and their number; None where a sample was scored without it."""
    found = {mean_key(key): mean(table[key]) for key in TITLES}
    return {**found, "samples": len(table)}


def mean(values: pd.Series) -> float | None:
    """None when one is missing: a mean over the rest would be of other samples than its neighbours in the table."""
    return None if values.isna().any() else float(np.mean(values.to_numpy(float)))


def advice(table: pd.DataFrame) -> list[str]:
    """A sentence for each class in which the model's grid holds IoU down. Columns used: class_name, ceiling."""
    sentences = []
    for class_name, ceilings in table.groupby("class_name")["ceiling"]:
        low = int((ceilings < TILES_HELP_BELOW).sum())
        if low:
            sentences.append(
                f"On the model's grid {low} of {len(ceilings)} samples of {class_name} cannot pass IoU "
                f"{TILES_HELP_BELOW:.2f} (mean ceiling {ceilings.mean():.2f}); tiles would help."
            )
    return sentences
