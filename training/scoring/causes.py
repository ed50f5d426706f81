"""Why a prediction failed: rules over label and prediction, each with its cause and its remedy in a sentence.

The rules are tried in order and the first that holds names the failure, so the certain ones stand before the vague. One set of
them for scores, Failures page and report; a prediction has failed below an IoU of 0.5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import label as label_parts

from core.masks.mask import Mask
from core.metrics.ladder import is_thin_shift
from core.metrics.overlap import count_pixels, iou
from core.metrics.skeleton import skeleton
from core.metrics.table import TOLERANCES_PX
from core.metrics.thin import count_within, tolerance_px, within

FAILED_BELOW_IOU = 0.5
FINE = "fine"
"""In the place of a cause: it did not fail. A score without any was made before causes were kept."""


@dataclass(frozen=True)
class Measures:
    """What the rules read of one sample.

    precision_near, recall_near: shares of predicted and of true pixels that lie within 2 px (of a photo 640 px wide) of
    the other side; *_wide: within 5 px. line_found, line_right: share of the truth's middle line within 5 px of the prediction, and
    of the prediction's within 5 px of the truth. parts:
    connected pieces of prediction and truth. peak: the highest probability inside the label; inside, outside: the mean
    probability there; beside: of predicted pixels more than 5 px from the label. rectangles: share of the truth's parts that fill
    their boxes. ceiling: the best IoU the model's grid allows, None where it was not measured.
    """

    iou: float
    true_px: int
    predicted_px: int
    true_share: float
    precision_near: float
    recall_near: float
    precision_wide: float
    recall_wide: float
    line_found: float
    line_right: float
    predicted_parts: int
    true_parts: int
    peak: float
    inside: float
    outside: float
    beside: float
    rectangles: float
    threshold: float
    box_only: bool
    ceiling: float | None

    @property
    def f1_near(self) -> float:
        both = self.precision_near + self.recall_near
        return 2 * self.precision_near * self.recall_near / both if both else 0.0


def measure(
    truth: Mask, prediction: Mask, probs: np.ndarray, *, threshold: float, box_only: bool, ceiling: float | None = None
) -> Measures:
    """truth, prediction: (H, W) bool; probs: (H, W) uint8 as evaluation stores them."""
    near_px, wide_px = (tolerance_px(reference, truth.shape) for reference in TOLERANCES_PX)
    near, wide = count_within(prediction, truth, (near_px, wide_px))
    by_truth, by_prediction = within(truth, wide_px), within(prediction, wide_px)
    return Measures(
        iou(count_pixels(prediction, truth)),
        near.true,
        near.predicted,
        float(truth.mean()),
        near.predicted_matched / max(near.predicted, 1),
        near.true_matched / max(near.true, 1),
        wide.predicted_matched / max(near.predicted, 1),
        wide.true_matched / max(near.true, 1),
        _share(by_prediction[skeleton(truth)]),
        _share(by_truth[skeleton(prediction)]),
        int(label_parts(prediction).max()),
        int(label_parts(truth).max()),
        float(probs[truth].max(initial=0) / 256),
        _share(probs[truth] / 256),
        _share(probs[~truth] / 256),
        _share(probs[prediction & ~by_truth] / 256),
        _share(np.array(_fill_their_boxes(truth, 12 * max(truth.shape) / 640))),
        threshold,
        box_only,
        ceiling,
    )


@dataclass(frozen=True)
class Cause:
    """key: short, as scores and filters have it. name: for a heading."""

    key: str
    name: str
    holds: Callable[[Measures], bool]
    why: str
    remedy: str


CAUSES = (
    Cause(
        "false alarm",
        "False alarm on a clean wall",
        lambda m: m.true_px == 0,
        "The label holds nothing but the model marked something: a shadow, an edge or a stain looked like it, or a label is missing.",
        "Check the label first. If the wall is clean, add such walls to the training set or raise the threshold of the class.",
    ),
    Cause(
        "below threshold",
        "Seen, but below the threshold",
        lambda m: m.recall_wide < 0.05 and m.peak >= m.threshold / 2 and m.inside >= 1.5 * m.outside,
        "The probability is clearly higher inside the label than around it but stays below the threshold, so the mask stays empty.",
        "Choose the threshold of the class on the validation split, and train with a loss that punishes misses (Dice, Tversky).",
    ),
    Cause(
        "missed",
        "Missed entirely",
        lambda m: m.recall_wide < 0.05,
        "Nothing was marked near the label and the probability there is low: the model has seen too few photos like this one.",
        "Add photos of this surface, distance and light to the training set; predict thin structures on tiles.",
    ),
    Cause(
        "box artefact",
        "The label is only a box",
        lambda m: m.box_only or (m.rectangles == 1 and m.line_found >= 0.3 and m.predicted_px < 0.5 * m.true_px),
        "The label is a filled box. Around a tilted joint most of a box is bare wall, which even a perfect prediction leaves out.",
        "Draw the joint over the box on the Fix masks page, or train on proposed seams; then score the sample again.",
    ),
    Cause(
        "thin shift",
        "Thin shift",
        lambda m: is_thin_shift(m.iou, m.f1_near),
        "The line is found to within two pixels, but it is so thin that a small shift or another width costs most of the overlap.",
        "Nothing to repair on site: judge such samples by F1 within 2 px. The full-resolution branch sharpens the position.",
    ),
    Cause(
        "resolution limit",
        "At the limit of the resolution",
        lambda m: m.ceiling is not None and m.iou >= 0.8 * m.ceiling,
        "The structure is thinner than the grid the model draws on, and the prediction comes close to the best that grid allows.",
        "Predict on overlapping tiles, switch on the full-resolution branch, or take the photo from nearer.",
    ),
    Cause(
        "label suspect",
        "The label may be incomplete",
        lambda m: m.recall_wide >= 0.8 and m.precision_wide < 0.6 and m.beside >= 0.9,
        "All that is labelled was found, and the model is as sure of more: part of the structure may not be labelled.",
        "Look at what is marked beside the label; if it is there, draw it on the Fix masks page and score the sample again.",
    ),
    Cause(
        "over-wide",
        "Painted too wide",
        lambda m: m.predicted_px > 1.3 * m.true_px and m.line_found >= 0.6 and m.line_right >= 0.6,
        "The structure is found but painted as a broad band: the model decides on a coarse grid of image patches.",
        "The full-resolution branch where it is off, a boundary loss, or a higher threshold of the class.",
    ),
    Cause(
        "other things",
        "Marks other things",
        lambda m: m.line_right < 0.6 or m.precision_wide < 0.4,
        "Most of what was marked lies far from the label: edges, shadows or texture were taken for it, or the label is incomplete.",
        "Check whether the label is complete. If it is, add photos with such texture and no damage, and augment colour and light.",
    ),
    Cause(
        "too narrow",
        "Painted too narrow",
        lambda m: m.predicted_px < 0.75 * m.true_px and m.precision_near >= 0.6 and m.line_found >= 0.6 and m.true_share >= 0.001,
        "The structure is followed along its length, but the label is much wider: labels of one crack differ in width by a lot.",
        "Agree on how wide to label. If the label is right, a lower threshold of the class widens the mask.",
    ),
    Cause(
        "broken",
        "Broken into pieces",
        lambda m: m.line_found < 0.8 and m.predicted_parts >= 2 * max(1, m.true_parts),
        "The line is followed in pieces with gaps between them, where contrast is low.",
        "Lower the threshold of the class or train with the clDice loss, which rewards unbroken lines.",
    ),
    Cause(
        "tiny object",
        "A very small structure",
        lambda m: m.true_share < 0.001,
        "The label covers less than a thousandth of the photo, so a few pixels decide the score.",
        "Take the photo from nearer or predict on tiles.",
    ),
    Cause(
        "other outline",
        "The right line, another outline",
        lambda m: m.line_found >= 0.8,
        "The structure is followed along its length, but the mask lies beside the label in places, or is wider or narrower there.",
        "Judge such samples by tolerant F1 or clDice, and look whether the label or the mask follows the structure.",
    ),
    Cause(
        "found in part",
        "Found in part",
        lambda m: True,
        "The prediction covers a part of the label and leaves the rest.",
        "Compare label and prediction on the Failures page; more photos like this one, or a lower threshold, recover the rest.",
    ),
)


CAUSE_BY_KEY = {cause.key: cause for cause in CAUSES}
NAMES = {cause.key: cause.name for cause in CAUSES}


def cause_of(measures: Measures) -> Cause:
    """The first rule that holds; the last one always does."""
    return next(cause for cause in CAUSES if cause.holds(measures))


def _fill_their_boxes(mask: Mask, least_px: float) -> list[bool]:
    """Of each part, whether it is a rectangle along the photo's sides, and too wide to be a line that happens to lie so."""
    parts = label_parts(mask)
    found = enumerate(find_objects(parts), 1)
    return [min(parts[place].shape) >= least_px and (parts[place] == number).mean() > 0.97 for number, place in found]


def _share(hits: np.ndarray) -> float:
    """The mean; nothing of nothing is 0."""
    return float(hits.mean()) if hits.size else 0.0
