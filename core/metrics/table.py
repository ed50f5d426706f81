"""The metrics of a prediction beside its truth, a line each: key, title, meaning and how it is computed.

Whatever lists metrics (the store's columns, tables in the terminal, pages, the report) follows this list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from core.masks.mask import Mask, filled_parts
from core.metrics.ceiling import iou_of_possible, resolution_ceiling
from core.metrics.overlap import PixelCounts, count_pixels, dice, iou, precision, recall
from core.metrics.thin import (
    MatchCounts,
    count_boundaries,
    count_skeletons,
    count_within,
    crop_to_both,
    match_f1,
    match_precision,
    match_recall,
    tolerance_px,
)

TOLERANCES_PX = (2, 5)
"""Of a photo whose longer side is 640 px (`core.metrics.thin.tolerance_px`)."""


class Comparison:
    """A prediction beside its truth, both (H, W) bool; what several metrics read is counted once.

    grid_hw: the resolution that the model answered in (`core.metrics.ceiling`).
    """

    def __init__(self, prediction: Mask, truth: Mask, grid_hw: tuple[int, int]) -> None:
        self.prediction, self.truth, self.grid_hw = prediction, truth, grid_hw

    @cached_property
    def cropped(self) -> tuple[Mask, Mask]:
        """Prediction and truth on the box around both, for what does not depend on the rest of the photo."""
        return crop_to_both(self.prediction, self.truth)

    @cached_property
    def pixels(self) -> PixelCounts:
        return count_pixels(self.prediction, self.truth)

    @cached_property
    def near(self) -> dict[int, MatchCounts]:
        """By each of TOLERANCES_PX."""
        distances = [tolerance_px(reference, self.truth.shape) for reference in TOLERANCES_PX]
        return dict(zip(TOLERANCES_PX, count_within(*self.cropped, distances), strict=True))

    @cached_property
    def ceiling(self) -> float:
        return resolution_ceiling(self.truth, self.grid_hw)


def _near(px: int, score: Callable[[MatchCounts], float]) -> Callable[[Comparison], float]:
    return lambda comparison: score(comparison.near[px])


@dataclass(frozen=True)
class Metric:
    """key: its column. of: its value for one sample, in [0, 1]. headline: one number that says it all, by which runs are
    compared and galleries ordered. mean_key, mean_title: of its mean over samples, where those have names of their own."""

    key: str
    title: str
    meaning: str
    of: Callable[[Comparison], float]
    headline: bool = False
    mean_key: str = ""
    mean_title: str = ""


METRICS = (
    Metric(
        "iou",
        "IoU",
        "Shared pixels over all pixels of either; its mean over samples is mIoU.",
        lambda c: iou(c.pixels),
        headline=True,
        mean_key="miou",
        mean_title="mIoU",
    ),
    Metric("dice", "Dice", "Pixel F1: overlap, twice counted, over both areas.", lambda c: dice(c.pixels), headline=True),
    Metric("precision", "Precision", "Share of the predicted pixels that are true.", lambda c: precision(c.pixels)),
    Metric("recall", "Recall", "Share of the true pixels that were found.", lambda c: recall(c.pixels)),
    *(
        metric
        for px in TOLERANCES_PX
        for metric in (
            Metric(
                f"tolerant_f1_{px}px",
                f"Tolerant F1, {px} px",
                f"A pixel counts as right if the other side has one within {px} px, on a photo 640 px wide.",
                _near(px, match_f1),
                headline=True,
            ),
            Metric(
                f"tolerant_precision_{px}px",
                f"Tolerant precision, {px} px",
                f"Share of the predicted pixels with truth within {px} px.",
                _near(px, match_precision),
            ),
            Metric(
                f"tolerant_recall_{px}px",
                f"Tolerant recall, {px} px",
                f"Share of the true pixels with a predicted one within {px} px.",
                _near(px, match_recall),
            ),
        )
    ),
    Metric(
        "boundary_iou",
        "Boundary IoU",
        "IoU of a band along both outlines alone (Cheng et al. 2021).",
        lambda c: iou(count_boundaries(c.prediction, c.truth)),
        headline=True,
    ),
    Metric(
        "cldice",
        "clDice",
        "Compares centre lines, so gaps cost more than width (Shit et al. 2021).",
        lambda c: match_f1(count_skeletons(*c.cropped)),
        headline=True,
    ),
    Metric(
        "box_iou",
        "Box IoU",
        "IoU once each part of either side is filled up to its box: how bands compare with labels that are boxes.",
        lambda c: iou(count_pixels(*map(filled_parts, c.cropped))),
    ),
    Metric("ceiling", "IoU ceiling", "The best IoU that the model's grid could reach at all.", lambda c: c.ceiling),
    Metric(
        "iou_of_possible",
        "IoU of the possible",
        "IoU as a share of that ceiling.",
        lambda c: iou_of_possible(iou(c.pixels), c.ceiling),
        headline=True,
    ),
)
TITLES = {metric.key: metric.title for metric in METRICS}
MEAN_KEYS = {metric.key: metric.mean_key or metric.key for metric in METRICS}
"""Of a metric's mean over samples: `iou` -> `miou`, as published; every other keeps its name."""
MEAN_TITLES = {metric.key: metric.mean_title or metric.title for metric in METRICS}
HEADLINE = tuple(metric.key for metric in METRICS if metric.headline)


def all_metrics(prediction: Mask, truth: Mask, grid_hw: tuple[int, int]) -> dict[str, float]:
    """Every one of METRICS by key. Arguments as in `Comparison`."""
    comparison = Comparison(prediction, truth, grid_hw)
    return {metric.key: metric.of(comparison) for metric in METRICS}
