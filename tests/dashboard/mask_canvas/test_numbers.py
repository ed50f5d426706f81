"""numbers.js beside the evaluation's own count of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.metrics.overlap import count_pixels, iou
from training.scoring.stored_probs import mask_at

SHAPE = (9, 11)
PROBS, LABELS = arrays(np.uint8, SHAPE), arrays(bool, SHAPE)


@given(st.integers(1, 999).map(lambda thousandth: thousandth / 1000))
def test_the_level_of_a_threshold_cuts_as_the_evaluation_cuts(js, threshold):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(levels >= js("levelOf(a)", threshold), mask_at(levels, threshold))


@given(PROBS, LABELS)
def test_the_iou_at_every_level_is_that_of_the_masks(js, probs, label):
    ious = js("iouByLevel(histogram(a, b.bits), histogram(a))", probs, label)
    for level in (0, 1, 77, 128, 255):
        assert ious[level] == pytest.approx(iou(count_pixels(probs >= level, label)))


def test_both_empty_is_agreement(js):
    assert js("iouByLevel(histogram(a, b.bits), histogram(a))[10]", np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)) == 1


@given(PROBS, LABELS)
def test_histograms_count_pixels(js, probs, label):
    assert js("histogram(a)", probs) == np.bincount(probs.ravel(), minlength=256).tolist()
    assert js("histogram(a, b.bits)", probs, label) == np.bincount(probs[label], minlength=256).tolist()
    assert js("areaOf(a.bits)", label) == label.sum()
