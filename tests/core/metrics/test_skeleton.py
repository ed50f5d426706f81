"""The skeleton is scikit-image's, pixel for pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.morphology import skeletonize

from core.masks.mask import draw_band
from core.metrics.skeleton import skeleton


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=24)))
def test_of_any_picture(mask):
    assert np.array_equal(skeleton(mask), skeletonize(mask))


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_of_blobs_that_touch(seed, steps):
    dots = np.random.default_rng(seed).random((48, 64)) < 0.01
    mask = ndimage.binary_dilation(dots, iterations=steps)
    assert np.array_equal(skeleton(mask), skeletonize(mask))


@pytest.mark.parametrize("width_px", [1, 2, 7, 24])
def test_of_a_band_over_the_photo(width_px):
    mask = draw_band(np.array([[-5.0, 20], [80, 70], [190, 30]]), width_px, (120, 160))
    assert np.array_equal(skeleton(mask), skeletonize(mask))


def test_of_nothing_and_of_everything():
    assert not skeleton(np.zeros((5, 7), bool)).any()
    assert np.array_equal(skeleton(np.ones((9, 30), bool)), skeletonize(np.ones((9, 30), bool)))


def test_a_mask_that_is_looked_at_stays_as_it_is():
    mask = np.ones((6, 6), bool)
    skeleton(mask)
    assert mask.all()
