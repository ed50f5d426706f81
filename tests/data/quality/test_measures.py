"""Measures of photos and labels: small pictures whose answers are known."""

import numpy as np
import pytest

from core.masks.mask import draw_band
from data.quality.measures import measure_label, measure_photo
from data.synthetic.walls import make_scene

GREY = np.full((320, 640, 3), 160, np.uint8)


def test_brightness_sharpness_and_cut_outs_of_a_photo():
    flat = measure_photo(GREY)
    assert flat.brightness == pytest.approx(160 / 255)
    assert flat.sharpness == 0
    assert flat.cut_outs == 0
    cut = GREY.copy()
    cut[:160, :320] = 0
    cut[300, 600] = 0  # a black pixel is no cut-out
    assert measure_photo(cut).cut_outs == pytest.approx(0.25)
    assert measure_photo(make_scene(1, (320, 640)).photo).sharpness > 10


@pytest.mark.parametrize("width_px", [4, 10, 24])
@pytest.mark.parametrize("scale", [1, 2])
def test_the_width_of_a_label_is_that_of_a_photo_of_640(width_px, scale):
    size_hw = (320 * scale, 640 * scale)
    label = draw_band(scale * np.array([[50.0, 60], [590, 250]]), width_px * scale, size_hw)
    photo = np.full((*size_hw, 3), 160, np.uint8)
    assert measure_label(label, photo).width_px == pytest.approx(width_px, abs=1.5)


def test_a_label_thrice_as_wide_as_its_crack_is_a_third_dark():
    line = np.array([[40.0, 50], [600, 280]])
    crack, label = draw_band(line, 8, (320, 640)), draw_band(line, 24, (320, 640))
    photo = GREY.copy()
    photo[crack] = 60
    found = measure_label(label, photo)
    assert found.dark == pytest.approx(crack.sum() / label.sum(), abs=0.03)
    assert measure_label(crack, photo).dark > 0.9


def test_islands_are_the_small_pieces():
    label = np.zeros((320, 640), bool)
    label[100:110, 50:600] = True
    label[5:8, 5:8] = label[300:304, 600:606] = True
    found = measure_label(label, GREY)
    assert (found.parts, found.islands) == (3, 2)
    assert found.area == pytest.approx(label.mean())


def test_nothing_labelled_has_nothing_to_measure():
    found = measure_label(np.zeros((20, 30), bool), GREY[:20, :30])
    assert (found.area, found.parts, found.islands, found.width_px, found.dark) == (0, 0, 0, 0, None)
    speck = np.zeros((20, 30), bool)
    speck[3, 4] = True
    assert measure_label(speck, GREY[:20, :30]).islands == 0  # all there is, is no island
    assert measure_label(np.ones((20, 30), bool), GREY[:20, :30]).dark is None
