import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from core.metrics.overlap import PixelCounts, count_pixels, dice, iou, precision, recall

masks = arrays(bool, (6, 7))


@given(masks, masks)
def test_scores_agree_with_scikit_learn(prediction, truth):
    if not prediction.any() or not truth.any():
        return
    counts = count_pixels(prediction, truth)
    flat = truth.ravel(), prediction.ravel()
    assert iou(counts) == pytest.approx(jaccard_score(*flat))
    assert dice(counts) == pytest.approx(f1_score(*flat))
    assert precision(counts) == pytest.approx(precision_score(*flat, zero_division=0))
    assert recall(counts) == pytest.approx(recall_score(*flat, zero_division=0))


@given(masks, masks)
def test_counts_add_up_to_the_picture(prediction, truth):
    counts = count_pixels(prediction, truth)
    assert counts.tp + counts.fp + counts.fn + counts.tn == 42
    assert counts + PixelCounts(1, 1, 1, 1) == PixelCounts(counts.tp + 1, counts.fp + 1, counts.fn + 1, counts.tn + 1)


@pytest.mark.parametrize(
    ("predicted", "true", "score"),
    [
        pytest.param(0, 0, 1.0, id="clean-wall-left-alone"),
        pytest.param(3, 0, 0.0, id="false-alarm-on-clean-wall"),
        pytest.param(0, 3, 0.0, id="defect-missed"),
    ],
)
def test_empty_sides(predicted, true, score):
    prediction, truth = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    prediction[0, :predicted], truth[0, :true] = True, True
    counts = count_pixels(prediction, truth)
    assert [iou(counts), dice(counts), precision(counts), recall(counts)] == [score] * 4


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        count_pixels(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
