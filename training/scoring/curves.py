"""Curves over thresholds: mIoU, precision against recall, and how far probabilities can be believed; all from one look at the
probabilities that an evaluation left, against today's labels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.masks.mask import decode_rle
from core.metrics.overlap import PixelCounts, iou, overlap_by_level
from training.runs.opened import OpenedRun
from training.scoring.stored_probs import THRESHOLDS, level_of

BINS = 16
"""Of probability, in which calibration is counted."""


@dataclass(frozen=True)
class Curves:
    """thresholds: mIoU by threshold, columns class_name, threshold, miou. precision_recall: of all pixels of a class together,
    columns class_name, threshold, precision, recall. calibration: columns class_name, predicted (mean probability of the pixels in
    a bin), observed (share of them that is true), pixels. average_precision, calibration_error: by class; the second is the mean of
    |predicted - observed| over pixels (expected calibration error, Naeini et al. 2015)."""

    thresholds: pd.DataFrame
    precision_recall: pd.DataFrame
    calibration: pd.DataFrame
    average_precision: dict[str, float]
    calibration_error: dict[str, float]


def curves_of(run: OpenedRun, split: str, labels_of: str = "all") -> Curves:
    """labels_of: "human" leaves out today's labels that are not human-made. Raises RequestError where probabilities are missing."""
    labels = run.store.labels()
    positives: dict[str, NDArray[np.int64]] = {}
    negatives: dict[str, NDArray[np.int64]] = {}
    ious: dict[str, list[list[float]]] = {}
    for score in run.store.scores(run.id, split).itertuples():
        label = labels[score.sample_id]
        if labels_of == "human" and not label.human_made:
            continue
        name = str(score.class_name)
        tp, fp = overlap_by_level(run.probs(split, score.sample_id), decode_rle(label.rle))
        positives[name] = positives.get(name, 0) + tp
        negatives[name] = negatives.get(name, 0) + fp
        counts = [PixelCounts(int(tp[level]), int(fp[level]), int(tp[0] - tp[level]), 0) for level in map(level_of, THRESHOLDS)]
        ious.setdefault(name, []).append([iou(count) for count in counts])
    classes = sorted(positives)
    by_threshold = [
        (name, float(threshold), float(miou))
        for name in classes
        for threshold, miou in zip(THRESHOLDS, np.mean(ious[name], axis=0), strict=True)
    ]
    pr = {name: _precision_recall(positives[name], negatives[name]) for name in classes}
    calibrated = {name: _calibration(positives[name], negatives[name]) for name in classes}
    return Curves(
        pd.DataFrame(by_threshold, columns=["class_name", "threshold", "miou"]),
        _joined(pr, ["class_name", "threshold", "precision", "recall"]),
        _joined(calibrated, ["class_name", "predicted", "observed", "pixels"]),
        {name: average_precision(table) for name, table in pr.items()},
        {name: calibration_error(table) for name, table in calibrated.items()},
    )


def average_precision(curve: pd.DataFrame) -> float:
    """The sum of precision over each step of recall, without interpolation, as scikit-learn has it. Columns used: precision,
    recall."""
    rising = curve.sort_values(["recall", "precision"], ascending=[True, False])
    steps = np.diff(rising["recall"].to_numpy(), prepend=0.0)
    return float((steps * rising["precision"].to_numpy()).sum())


def calibration_error(bins: pd.DataFrame) -> float:
    """Columns used: predicted, observed, pixels. Of no pixels 0."""
    off = (bins["predicted"] - bins["observed"]).abs() * bins["pixels"]
    return float(off.sum() / max(bins["pixels"].sum(), 1))


def _precision_recall(tp: NDArray[np.int64], fp: NDArray[np.int64]) -> pd.DataFrame:
    """tp, fp: (256,) from each level on. A level from which nothing is predicted has no precision and is left out."""
    some = (tp + fp) > 0
    levels = np.arange(256)[some] / 256
    precision, recall = tp[some] / (tp + fp)[some], tp[some] / max(tp[0], 1)
    return pd.DataFrame({"threshold": levels, "precision": precision, "recall": recall})


def _calibration(tp: NDArray[np.int64], fp: NDArray[np.int64]) -> pd.DataFrame:
    true, wrong = (-np.diff(counts, append=0) for counts in (tp, fp))
    pixels, bins = true + wrong, np.arange(256) * BINS // 256
    middle = (np.arange(256) + 0.5) / 256
    counts = np.bincount(bins, pixels, BINS)
    some = counts > 0
    predicted = np.bincount(bins, pixels * middle, BINS)[some] / counts[some]
    observed = np.bincount(bins, true, BINS)[some] / counts[some]
    return pd.DataFrame({"predicted": predicted, "observed": observed, "pixels": counts[some].astype(np.int64)})


def _joined(tables: dict[str, pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    rows = [table.assign(class_name=name) for name, table in tables.items()]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)
