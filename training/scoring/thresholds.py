"""A threshold per class, chosen where it may be chosen: on the validation split, with the labels the run was trained on."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.files import write_atomically
from core.metrics.overlap import iou
from core.models.predictor import TextToMask
from core.train.example import Example
from training.scoring.stored_probs import THRESHOLDS, counts_by_threshold, to_uint8


def best_thresholds(predictor: TextToMask, examples: Sequence[Example], synonyms: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Class to the threshold of the highest mIoU (mean over its samples); among equals the one nearest to 0.5.

    Photos are looked at as evaluation looks at them: the class's first prompt, the run's inference settings, full size.
    """
    scores: dict[str, list[list[float]]] = {}
    for example in examples:
        photo, truth = example.read()
        probs = to_uint8(predictor.predict(photo, [synonyms[example.class_name][0]])[0].probs)
        scores.setdefault(example.class_name, []).append([iou(counts) for counts in counts_by_threshold(probs, truth)])
    return {name: best_of(np.mean(of_class, axis=0)) for name, of_class in sorted(scores.items())}


def best_of(mious: np.ndarray) -> float:
    """mious: (len(THRESHOLDS),). The threshold of the highest; of equals (to 1e-9) the one nearest to 0.5."""
    equals = THRESHOLDS[mious >= mious.max() - 1e-9]
    return float(min(equals, key=lambda threshold: abs(threshold - 0.5)))


def save_thresholds(thresholds: dict[str, float], path: Path) -> None:
    """Written as JSON beside the weights, for `training.runs.opened.OpenedRun.thresholds`."""
    write_atomically(path, (json.dumps(thresholds, indent=2) + "\n").encode())
