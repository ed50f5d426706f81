"""How probabilities become masks, chosen where it may be chosen: on the validation split, with the labels of the training."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.files import write_atomically
from core.metrics.overlap import iou
from core.models.predictor import TextToMask, without_doubtful
from core.train.example import Example
from training.scoring.stored_probs import THRESHOLDS, counts_by_threshold, to_uint8

SURE = (0.0, 0.9, 0.95, 0.97, 0.98, 0.99)
_COSTS_NOTHING = 0.002


def best_thresholds(predictor: TextToMask, examples: Sequence[Example], synonyms: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Class to the threshold of the highest mIoU (mean over its samples); among equals the one nearest to 0.5.

    Photos are looked at as evaluation looks at them: the class's first prompt, the run's inference settings, full size.
    """
    return best_cut(predictor, examples, synonyms, sures=(0.0,))[0]


def best_cut(
    predictor: TextToMask, examples: Sequence[Example], synonyms: dict[str, tuple[str, ...]], sures: Sequence[float] = SURE
) -> tuple[dict[str, float], float]:
    """`best_thresholds`, and how sure a part must be (`core.models.predictor.without_doubtful`): the most of `sures` that costs
    no mIoU, the mean of the classes', beyond 0.002, because what is doubtful and wrong is most of it on walls without a label.
    The predictor keeps every part."""
    scores: dict[float, dict[str, list[list[float]]]] = {sure: {} for sure in sures}
    for example in examples:
        photo, truth = example.read()
        probs = predictor.predict(photo, [synonyms[example.class_name][0]])[0].probs
        for sure, by_class in scores.items():
            counts = counts_by_threshold(to_uint8(without_doubtful(probs, sure)), truth)
            by_class.setdefault(example.class_name, []).append([iou(count) for count in counts])
    means = {sure: {n: np.mean(s, axis=0) for n, s in sorted(by_class.items())} for sure, by_class in scores.items()}
    reached = {sure: float(np.mean([of_class.max() for of_class in found.values()])) for sure, found in means.items()}
    chosen = max(sure for sure, miou in reached.items() if miou >= max(reached.values()) - _COSTS_NOTHING)
    return {name: best_of(of_class) for name, of_class in means[chosen].items()}, chosen


def best_of(mious: np.ndarray) -> float:
    """mious: (len(THRESHOLDS),). The threshold of the highest; of equals (to 1e-9) the one nearest to 0.5."""
    equals = THRESHOLDS[mious >= mious.max() - 1e-9]
    return float(min(equals, key=lambda threshold: abs(threshold - 0.5)))


def save_thresholds(thresholds: dict[str, float], path: Path) -> None:
    """Written as JSON beside the weights, for `training.runs.opened.OpenedRun.thresholds`."""
    write_atomically(path, (json.dumps(thresholds, indent=2) + "\n").encode())
