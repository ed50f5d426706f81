"""The resolution ceiling: hand numbers, the way of a real prediction, and its properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import jaccard_score
from torch.nn import functional as F

from core.masks.mask import draw_band
from core.metrics.ceiling import ceiling_sentence, iou_of_possible, resolution_ceiling


def wandering_cracks(side_px, width_px=2.0, count=3, seed=1):
    random = np.random.default_rng(seed)
    x = np.linspace(0.1, 0.9, 60)
    for _ in range(count):
        y = 0.5 + np.cumsum(random.normal(0, 0.006, 60))
        yield draw_band(np.stack([x, y], axis=1) * side_px, width_px, (side_px, side_px))


@pytest.mark.parametrize(("side_px", "ceiling"), [(1280, 0.47), (4000, 0.22)])
def test_a_hairline_on_the_grid_of_352(side_px, ceiling):
    """Where on the grid a crack happens to run moves these by some hundredths, hence 0.06."""
    found = np.mean([resolution_ceiling(truth, (352, 352)) for truth in wandering_cracks(side_px)])
    assert found == pytest.approx(ceiling, abs=0.06)


def test_the_way_down_and_back_is_that_of_a_prediction():
    """Area mean and bilinear interpolation by torch, scored by scikit-learn at every threshold."""
    (truth,) = wandering_cracks(240, count=1)
    coarse = F.avg_pool2d(torch.from_numpy(truth).float()[None, None], 4)
    back = F.interpolate(coarse, (240, 240), mode="bilinear", align_corners=False)[0, 0].numpy()
    levels = np.linspace(0.1, 0.6, 26)
    best = max(jaccard_score(truth.ravel(), (back >= level).ravel(), zero_division=0) for level in levels)
    assert resolution_ceiling(truth, (60, 60)) == pytest.approx(best, abs=0.02)


def test_a_band_on_whole_cells_loses_only_what_interpolation_rounds():
    truth = np.zeros((64, 64), bool)
    truth[16:48] = True
    assert resolution_ceiling(truth, (16, 16)) == 1


@settings(deadline=None, max_examples=40)
@given(arrays(bool, (12, 15)), st.integers(1, 20), st.integers(1, 20))
def test_it_lies_above_nothing_and_below_one(truth, height, width):
    ceiling = resolution_ceiling(truth, (height, width))
    assert 0 < ceiling <= 1
    if not truth.any() or (height >= 12 and width >= 15):
        assert ceiling == 1
    else:
        assert ceiling >= truth.mean()  # calling everything a crack is always possible


def test_a_finer_grid_allows_more():
    (truth,) = wandering_cracks(640, count=1)
    ceilings = [resolution_ceiling(truth, (side, side)) for side in (64, 128, 256, 640)]
    assert ceilings == sorted(ceilings)
    assert ceilings[-1] == 1


def test_share_of_the_possible():
    assert iou_of_possible(0.235, 0.47) == pytest.approx(0.5)
    assert iou_of_possible(0.5, 0.47) == 1


def test_the_sentence_says_when_tiles_would_help():
    (truth,) = wandering_cracks(1280, count=1)
    one, tiled = (f"{resolution_ceiling(truth, (side, side)):.2f}" for side in (352, 704))
    sentence = ceiling_sentence(truth, (352, 352))
    assert f"pass {one}" in sentence
    assert f"2 x 2 of them lift the bound to {tiled}" in sentence
    assert ceiling_sentence(truth, (1280, 1280)) == ""
