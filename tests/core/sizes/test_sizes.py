"""Sizes against drawn bands. Held here: lengths within 1.5 px, mean widths within 0.6 px + 1 %, as
much as a band drawn in whole pixels is off itself (hairlines, which Pillow draws up to a pixel wider, 1.1 px)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_fill_holes

from core.errors import RequestError
from core.masks.mask import draw_band
from core.sizes.band_size import BandSize, band_size, scale_from_points
from core.sizes.picture import length_text, paint_size, round_length

CENTRE = np.array([120.3, 120.6])


def band(angle_degrees, length_px, width_px):
    way = np.array([math.cos(math.radians(angle_degrees)), math.sin(math.radians(angle_degrees))]) * length_px / 2
    return draw_band(np.array([CENTRE - way, CENTRE + way]), width_px, (240, 240))


@pytest.mark.parametrize("angle_degrees", [0, 10, 22.5, 30, 45, 77, 90, 135])
@pytest.mark.parametrize("width_px", [1, 2, 3, 5, 8, 13, 20, 30])
def test_bands_of_every_angle_have_their_length_and_width(angle_degrees, width_px):
    size = band_size(band(angle_degrees, 150, width_px))
    assert size.length_px == pytest.approx(150 + width_px, abs=1.5)  # the round caps belong to it
    assert size.width_mean_px == pytest.approx(width_px, abs=0.6 + 0.01 * width_px)
    assert size.width_max_px == pytest.approx(width_px, abs=1.1 if width_px == 1 else 0.6)


def test_a_joint_with_square_ends_and_a_crossing():
    mask = np.zeros((100, 300), bool)
    mask[30:50, 20:280] = True
    size = band_size(mask)
    assert (size.length_px, size.width_mean_px, size.width_max_px) == pytest.approx((260, 20, 20), abs=0.5)
    mask[:] = False
    mask[10:90, 148:152] = mask[48:52, 20:280] = True
    size = band_size(mask)
    assert (size.length_px, size.width_max_px) == pytest.approx((340, 4), abs=1)  # not the wider circle where they meet


def test_the_widest_place_is_where_the_crack_bulges():
    mask = draw_band(np.array([(20.0, 60.5), (220.0, 60.5)]), 3, (120, 240))
    mask |= draw_band(np.array([(150.5, 60.5)]), 9, (120, 240))
    size = band_size(mask)
    assert size.width_max_px == pytest.approx(9, abs=0.6)
    assert size.widest_xy == pytest.approx((150.5, 60.5), abs=1.5)
    assert size.width_mean_px == pytest.approx(3.2, abs=0.3)


def test_a_ragged_rim_does_not_grow_branches():
    mask = band(20, 180, 12)
    noise = np.random.default_rng(0)
    rim = mask & ~band(20, 178, 10)
    mask[rim & (noise.random(mask.shape) < 0.5)] = False
    mask = binary_fill_holes(mask)
    size = band_size(mask)
    assert size.length_px == pytest.approx(192, rel=0.03)
    assert 8.5 < size.width_mean_px < 12


def test_a_ring_and_a_curve_have_the_length_of_their_middle():
    y, x = np.mgrid[:240, :240] + 0.5
    distance = np.hypot(x - 120, y - 120)
    ring = (distance > 78) & (distance < 82)
    assert band_size(ring).length_px == pytest.approx(2 * math.pi * 80, rel=0.01)
    half = band_size(ring & (y > 120))
    assert half.length_px == pytest.approx(math.pi * 80, rel=0.015)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 180), st.floats(20, 180), st.floats(2, 25))
def test_a_quarter_turn_changes_nothing_that_matters(angle_degrees, length_px, width_px):
    mask = band(angle_degrees, length_px, width_px)
    sizes = [band_size(np.rot90(mask, turns)) for turns in range(4)]
    assert max(size.length_px for size in sizes) - min(size.length_px for size in sizes) < 3
    assert max(size.width_mean_px for size in sizes) - min(size.width_mean_px for size in sizes) < 0.5
    assert max(size.width_max_px for size in sizes) - min(size.width_max_px for size in sizes) < 0.5


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (9, 11)))
def test_any_mask_has_a_finite_size_with_its_widest_place_inside(mask):
    size = band_size(mask)
    if size is None:
        assert not mask.any()
        return
    x, y = size.widest_xy
    assert mask[int(y), int(x)]
    assert 0 < size.width_mean_px <= size.width_max_px + 1e-9
    assert 0 < size.length_px <= 2 * mask.sum()


def test_scale_from_two_points():
    assert scale_from_points((10, 10), (310, 410), 250) == 2.0
    for p, q, length_mm, words in [
        ((1, 1), (1, 1), 5, "the same place"),
        ((1, 1), (2, 1), 0, "positive number of mm, got 0"),
        ((1, 1), (2, 1), math.nan, "positive number of mm, got nan"),
    ]:
        with pytest.raises(RequestError, match=words):
            scale_from_points(p, q, length_mm)


def test_lengths_read_well():
    assert [length_text(*pair) for pair in [(12.34, None), (12.34, 2.0), (4000, 2.0), (5000, None)]] == [
        "12.3 px",
        "6.17 mm",
        "2 m",
        "5000 px",
    ]
    assert round_length(160, None) == 100
    assert round_length(160, 3.0) == 150  # 50 mm
    assert round_length(160, 0.25) == 125  # 500 mm


@pytest.mark.parametrize("size_hw", [(200, 300), (1500, 2000), (80, 120)])
def test_the_picture_marks_the_widest_place_and_carries_a_bar_of_true_length(size_hw):
    photo = np.full((*size_hw, 3), 90, np.uint8)
    mark = BandSize(100, 4, 6, (size_hw[1] - 3.0, 2.0))  # in the corner: the number must fit
    painted = paint_size(photo, mark, 0.5)
    assert painted.shape == photo.shape
    assert (photo == 90).all()
    changed = (painted != 90).any(axis=2)
    assert changed[: size_hw[0] // 2, size_hw[1] // 2 :].any()
    unit = max(1, round(min(size_hw) / 320))
    row = painted[size_hw[0] - 8 * unit - unit, :, 0] == 255
    assert row.sum() == pytest.approx(round_length(size_hw[1] / 4, 0.5), abs=1.5)
    bar_only = (paint_size(photo, None, 0.5) != 90).any(axis=2)
    assert not bar_only[:, size_hw[1] // 2 + 20 * unit :].any()
