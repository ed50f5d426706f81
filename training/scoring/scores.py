"""What a table of scores says about a split: means over samples, and where the model's grid holds IoU down."""

from typing import Any

import numpy as np
import pandas as pd

from core.metrics.ceiling import TILES_HELP_BELOW
from core.metrics.overlap import PixelCounts, iou
from core.metrics.table import HEADLINE, MEAN_KEYS, METRICS
from data.store.scores import ScoreFilter
from training.scoring.intervals import mean_intervals


def headline(score: Any) -> str:
    """`IoU 0.390 · tolerant F1 1.000` of a row of the scores table, the second where it is known."""
    known = score.tolerant_f1_2px is not None and not np.isnan(score.tolerant_f1_2px)
    return f"IoU {score.iou:.3f}" + (f" · tolerant F1 {score.tolerant_f1_2px:.3f}" if known else "")


def counted(slots: pd.DataFrame, wanted: ScoreFilter) -> tuple[int, dict[str, float | None]]:
    """How many scores the filter lets through, and their means by each of HEADLINE, from what `Store.slots` counts; a mean is None
    where some were scored without that metric, or nothing is there."""
    kept = slots[
        (slots["split"] == wanted.split)
        & slots["iou_bin"].isin(wanted.bins)
        & ((slots["class_name"] == wanted.class_name) | (wanted.class_name is None))
        & ((slots["cause"] == wanted.cause) | (wanted.cause is None))
    ]
    total = int(kept["samples"].sum())
    sums = {key: kept[f"sum_{key}"] for key in HEADLINE}
    return total, {key: None if not total or of_key.isna().any() else float(of_key.sum()) / total for key, of_key in sums.items()}


def means(table: pd.DataFrame) -> dict[str, Any]:
    """Means over samples, as in the published table, None where a sample was scored without it; the IoU of all pixels together;
    the number of samples and of source photos, of which copies are one."""
    found = {MEAN_KEYS[metric.key]: mean(table[metric.key]) for metric in METRICS}
    counted = {"samples": len(table), "source_photos": int(table["source"].nunique())}
    return {**found, "pooled_iou": pooled_iou(table), **counted}


def pooled_iou(table: pd.DataFrame) -> float:
    """IoU of all pixels of all samples together: large structures weigh more than in the mean over samples, and the two are
    often taken for one another. Columns used: tp, fp, fn. Nothing true and nothing predicted is 1.0."""
    tp, fp, fn = (int(table[name].sum()) for name in ("tp", "fp", "fn"))
    return iou(PixelCounts(tp, fp, fn, 0))


def intervals(table: pd.DataFrame) -> dict[str, list[float] | None]:
    """By the key of each mean, the ends of its 95 % interval (`training.scoring.intervals`), by source photo; None where a sample
    was scored without that metric or all are of one photo. Columns used: source and every metric."""
    known = [metric.key for metric in METRICS if not table[metric.key].isna().any()]
    found = zip(known, mean_intervals(table[known].to_numpy(float), table["source"].to_numpy()), strict=True)
    ends = {key: [one.low, one.high] for key, one in found if one.low is not None and one.high is not None}
    return {MEAN_KEYS[metric.key]: ends.get(metric.key) for metric in METRICS}


def mean(values: pd.Series) -> float | None:
    """None when one is missing: a mean over the rest would be of other samples than its neighbours in the table."""
    return None if values.isna().any() else float(np.mean(values.to_numpy(float)))


def by_truth(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Means of a class's samples for each kind of truth, side by side, where some of its labels are boxes and others are not:
    a band that is right is wrong against its box. Columns used: class_name, is_box, human_made and every metric."""
    found: dict[str, dict[str, Any]] = {}
    for class_name, rows in table.groupby("class_name"):
        boxes, human = rows["is_box"].astype(bool), rows["human_made"].astype(bool)
        if not boxes.any() or boxes.all():
            continue
        kinds = {"boxes as delivered": boxes, "accepted proposals": ~boxes & ~human, "drawn": ~boxes & human}
        found |= {f"{class_name}: {kind}": means(rows[of_kind]) for kind, of_kind in kinds.items() if of_kind.any()}
    return found


def truths(table: pd.DataFrame) -> list[str]:
    """A sentence for each class with labels that are boxes: what its figures are measured against. Columns used: class_name,
    is_box, human_made."""
    sentences = []
    for class_name, rows in table.groupby("class_name"):
        boxes = int(rows["is_box"].sum())
        if boxes:
            proposals = int((~rows["human_made"].astype(bool)).sum())
            drawn = len(rows) - boxes - proposals
            sentences.append(
                f"{class_name}: {boxes} of {len(rows)} labels are boxes as delivered, {proposals} accepted proposals, {drawn} drawn; "
                "against boxes a band is judged by box IoU, plain IoU counts the bare wall in them."
            )
    return sentences


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
