"""What tells a joint from what lies beside it: a line seen all along its length, a band that covers all of it."""

import numpy as np
import pytest

from core.masks.mask import draw_band
from core.seams.bands import continuous_line, covered_share
from core.seams.seams import propose_seams

SIZE_HW = (200, 640)
EVERYWHERE = np.ones(SIZE_HW, bool)


def wall(joint_y=None, stamp_y=None, seed=0):
    """Grey, with a faint dark line across it, and letters far stronger than it on less than half of another line."""
    random = np.random.default_rng(seed)
    grey = 170 + random.normal(0, 2, SIZE_HW)
    if joint_y is not None:
        grey[draw_band(np.array([(0.0, joint_y[0]), (640.0, joint_y[1])]), 2, SIZE_HW)] -= 10
    if stamp_y is not None:
        for left in range(120, 380, 9):
            grey[stamp_y - 4 : stamp_y + 4, left : left + 5] -= 60
    return grey


def line(y):
    return np.array([(0.0, y), (640.0, y)])


@pytest.mark.parametrize("darker", [1, -1], ids=["dark", "light"])
def test_the_line_seen_all_along_is_found_beside_a_stronger_stamp(darker):
    grey = wall((104.0, 112.0), 96)
    ends, seen, here = continuous_line(170 + darker * (grey - 170), EVERYWHERE, line(96.0), 8, 26, 1.0)
    np.testing.assert_allclose(ends[:, 1], (104, 112), atol=2)
    assert seen > 0.8
    assert here < 0.6 < seen - 0.1


def test_on_a_plain_wall_and_on_a_hidden_one_nothing_is_seen_for_long():
    _, seen, here = continuous_line(wall(), EVERYWHERE, line(100.0), 8, 26, 1.0)
    assert here <= seen < 0.55
    ends, seen, here = continuous_line(wall((100.0, 100.0)), np.zeros(SIZE_HW, bool), line(90.0), 8, 26, 1.0)
    np.testing.assert_array_equal(ends, line(90.0))
    assert (seen, here) == (0, 0)


def test_hidden_places_do_not_count_against_a_line():
    grey, valid = wall((100.0, 100.0)), EVERYWHERE.copy()
    grey[:, 200:440], valid[:, 200:440] = 170, False
    assert continuous_line(grey, valid, line(100.0), 2, 8, 1.0)[1] > 0.8
    assert continuous_line(grey, EVERYWHERE, line(100.0), 2, 8, 1.0)[1] < 0.8


def test_tape_covers_its_line_and_a_stamp_only_where_its_letters_are():
    tape = wall()
    tape[draw_band(line(100.0), 40, SIZE_HW)] += 12
    assert covered_share(tape, line(100.0), 40, 1.0) > 0.95
    assert covered_share(wall(stamp_y=100), line(100.0), 10, 1.0) < 0.7
    assert covered_share(tape, line(100.0), 3, 1.0) == 0  # too narrow to have an inside


def test_a_proposal_follows_the_joint_and_not_the_stamp():
    photo = np.repeat(wall((104.0, 112.0), 92).clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    ((seam,),) = propose_seams(photo, [[0, 80, 640, 44]])
    np.testing.assert_allclose(seam.points_xy[np.argsort(seam.points_xy[:, 0]), 1], (104, 112), atol=2)
    assert seam.width_px < 21
