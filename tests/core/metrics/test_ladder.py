"""The tolerance ladder: hand cases of a thin shift and of what is none, and the best move by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from core.masks.mask import draw_band
from core.metrics.ladder import best_shift, tolerance_ladder
from core.metrics.overlap import count_pixels, dice, iou
from core.metrics.thin import count_within, match_f1


def test_a_crack_of_two_pixels_one_pixel_off():
    """A line of slope 28.6 degrees moved 1 px up moves cos(28.6) = 0.878 px across: IoU (2 - 0.878) / (2 + 0.878) = 0.39."""
    angle = np.deg2rad(28.6)
    ends = np.array([[40.0, 60], [40 + 400 * np.cos(angle), 60 + 400 * np.sin(angle)]])
    truth = draw_band(ends, 2, (320, 480))
    prediction = np.roll(truth, -1, axis=0)
    ladder = tolerance_ladder(prediction, truth)
    assert ladder.rungs[0].iou == pytest.approx(0.39, abs=0.01)
    assert match_f1(count_within(prediction, truth, [2])[0]) == 1
    assert [rung.f1 for rung in ladder.rungs[1:]] == [1, 1, 1]
    assert (ladder.shift_yx, ladder.shifted_iou) == ((1, 0), 1)
    assert ladder.is_thin_shift
    assert ladder.sentence().endswith("Moved 1 px down it has IoU 1.00.")


def test_a_level_crack_one_pixel_off_by_hand():
    truth, prediction = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    truth[10:12, 5:25], prediction[11:13, 5:25] = True, True
    ladder = tolerance_ladder(prediction, truth)
    assert ladder.rungs[0].iou == pytest.approx(1 / 3)
    assert ladder.rungs[0].f1 == pytest.approx(1 / 2)
    assert (ladder.shift_yx, ladder.shifted_iou) == ((-1, 0), 1)


@pytest.mark.parametrize(
    ("rows", "thin_shift", "words"),
    [
        pytest.param(slice(10, 12), False, "", id="right"),
        pytest.param(slice(17, 19), False, "", id="elsewhere"),
        pytest.param(slice(8, 14), True, "another width or course", id="right-line-too-wide"),
        pytest.param(slice(0, 20), False, "", id="half-the-wall"),
        pytest.param(slice(0, 0), False, "", id="missed"),
    ],
)
def test_what_is_a_thin_shift(rows, thin_shift, words):
    truth, prediction = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    truth[10:12], prediction[rows] = True, True
    ladder = tolerance_ladder(prediction, truth)
    assert ladder.is_thin_shift == thin_shift
    assert words in ladder.sentence()


@settings(deadline=None, max_examples=40)
@given(arrays(bool, (7, 8)), arrays(bool, (7, 8)))
def test_the_best_move_is_the_best_of_all_moves(prediction, truth):
    shift, best = best_shift(prediction, truth, 2)
    by_move = {}
    for down in range(-2, 3):
        for right in range(-2, 3):
            moved = np.roll(np.pad(prediction, 2), (down, right), (0, 1))
            by_move[down, right] = iou(count_pixels(moved, np.pad(truth, 2)))
    assert best == pytest.approx(max(by_move.values()))
    assert by_move[shift] == pytest.approx(best)
    assert all(
        y * y + x * x >= shift[0] ** 2 + shift[1] ** 2 for (y, x), value in by_move.items() if value == pytest.approx(best)
    )


@settings(deadline=None, max_examples=40)
@given(arrays(bool, (7, 8)), arrays(bool, (7, 8)))
def test_the_lowest_rung_is_iou_and_dice(prediction, truth):
    ladder, counts = tolerance_ladder(prediction, truth), count_pixels(prediction, truth)
    assert ladder.rungs[0].iou == pytest.approx(iou(counts))
    assert ladder.rungs[0].f1 == pytest.approx(dice(counts))
    assert ladder.shifted_iou >= ladder.rungs[0].iou - 1e-12


def test_rungs_grow_with_a_large_photo():
    truth = np.zeros((100, 1280), bool)
    truth[50:54] = True
    ladder = tolerance_ladder(np.roll(truth, 2, axis=0), truth)
    assert [rung.tolerance_px for rung in ladder.rungs] == [0, 2, 4, 8]
    assert ladder.shift_yx == (-2, 0)
    assert [rung.tolerance_px for rung in tolerance_ladder(truth[:, :480], truth[:, :480]).rungs] == [0, 1, 2, 4]


def test_two_clean_walls_agree():
    clean = np.zeros((5, 5), bool)
    ladder = tolerance_ladder(clean, clean)
    assert {rung.iou for rung in ladder.rungs} == {rung.f1 for rung in ladder.rungs} == {1.0}
    assert (ladder.shift_yx, ladder.shifted_iou) == ((0, 0), 1.0)
