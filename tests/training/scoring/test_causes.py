"""Why predictions fail: every cause on masks one can draw."""

import numpy as np
import pytest
from scipy.ndimage import shift

from core.masks.mask import draw_band
from training.scoring.causes import CAUSES, FINE, cause_of, measure
from training.scoring.stored_probs import to_uint8

TRUTH = np.zeros((64, 640), bool)
TRUTH[30:32, 20:620] = True
BLANK = np.zeros_like(TRUTH)


def band(rows: slice, columns: slice = slice(20, 620)) -> np.ndarray:
    mask = BLANK.copy()
    mask[rows, columns] = True
    return mask


def dashes() -> np.ndarray:
    mask = BLANK.copy()
    for start in range(20, 620, 60):
        mask[30:32, start : start + 12] = True
    return mask


OBLIQUE = draw_band(np.array([(60.0, 10.0), (580.0, 54.0)]), 20, BLANK.shape)
THIN_OBLIQUE = draw_band(np.array([(60.0, 10.0), (580.0, 54.0)]), 6, BLANK.shape)
NARROW, BESIDE = (draw_band(np.array([(60.0, y), (580.0, y + 36)]), 8, BLANK.shape) for y in (10.0, 14.5))
HALF, OTHER_HALF = (draw_band(np.array([(x, 10.0), (x + 200, 54.0)]), 8, BLANK.shape) for x in (40.0, 340.0))
HALF &= np.arange(640) < 160


@pytest.mark.parametrize(
    ("name", "truth", "prediction", "given"),
    [
        pytest.param("False alarm on a clean wall", BLANK, TRUTH, {}, id="nothing-there"),
        pytest.param("Missed entirely", TRUTH, BLANK, {}, id="nothing-marked"),
        pytest.param("Missed entirely", TRUTH, band(slice(0, 4)), {}, id="marked-elsewhere"),
        pytest.param("Seen, but below the threshold", TRUTH, BLANK, {"faint": 0.4}, id="faint"),
        pytest.param("The label is only a box", band(slice(4, 60)), TRUTH, {"box_only": True}, id="line-in-a-box"),
        pytest.param("Thin shift", TRUTH, shift(TRUTH, (1, 0), order=0), {}, id="one-pixel-down"),
        pytest.param("At the limit of the resolution", TRUTH, band(slice(30, 38)), {"ceiling": 0.3}, id="ceiling"),
        pytest.param(
            "The label is only a box",
            band(slice(10, 50), slice(20, 320)),
            band(slice(28, 32), slice(20, 320)),
            {},
            id="a-rectangle",
        ),
        pytest.param("Painted too narrow", OBLIQUE, THIN_OBLIQUE, {}, id="line-in-a-wide-label"),
        pytest.param("The label may be incomplete", HALF, HALF | OTHER_HALF, {"sure": 0.97}, id="sure-of-more"),
        pytest.param("Painted too wide", TRUTH, band(slice(26, 36)), {}, id="band-around-the-line"),
        pytest.param("Marks other things", TRUTH, TRUTH | band(slice(50, 60)), {}, id="a-stain-too"),
        pytest.param("Broken into pieces", TRUTH, dashes(), {}, id="dashes"),
        pytest.param(
            "A very small structure",
            band(slice(30, 32), slice(20, 32)),
            band(slice(30, 32), slice(20, 24)),
            {},
            id="a-few-pixels",
        ),
        pytest.param("The right line, another outline", NARROW, BESIDE, {}, id="beside-the-label"),
        pytest.param("Found in part", TRUTH, band(slice(30, 32), slice(20, 200)), {}, id="a-third"),
    ],
)
def test_each_cause_is_named(name, truth, prediction, given):
    probs = np.where(prediction, given.pop("sure", 0.8), 0.02).astype(np.float32)
    if "faint" in given:
        probs[truth] = given.pop("faint")
    measures = measure(truth, prediction, to_uint8(probs), threshold=0.5, **{"box_only": False, **given})
    assert measures.iou < 0.5
    assert cause_of(measures).name == name


def test_every_cause_has_a_case_above():
    cases = next(mark for mark in test_each_cause_is_named.pytestmark if mark.name == "parametrize").args[1]
    assert {case.values[0] for case in cases} == {cause.name for cause in CAUSES}


def test_keys_are_short_and_tell_causes_apart():
    assert len({cause.key for cause in CAUSES}) == len(CAUSES)
    assert all(0 < len(cause.key) <= 30 for cause in CAUSES)
    assert FINE not in {cause.key for cause in CAUSES}
