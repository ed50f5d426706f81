import numpy as np
import pytest

from core.masks import fill_polygon
from data.yolo import write_yolo, yolo_lines


def test_outline_drawn_again_is_within_a_pixel_of_the_mask():
    mask = np.zeros((50, 80), bool)
    mask[10:30, 20:60] = True
    (line,) = yolo_lines(mask, 1)
    index, *shares = line.split()
    points = np.array(shares, float).reshape(-1, 2) * (80, 50)
    assert index == "1"
    assert (fill_polygon(points, (50, 80)) ^ mask).sum() <= 2 * (20 + 40)


@pytest.mark.parametrize("size", [(4, 4), (1, 1)])
def test_clean_photo_gets_an_empty_file(tmp_path, size):
    write_yolo(tmp_path / "a.txt", [(0, np.zeros(size, bool))])
    assert (tmp_path / "a.txt").read_text() == ""


def test_two_islands_are_two_lines_within_the_photo():
    mask = np.zeros((20, 20), bool)
    mask[:5, :5] = mask[15:, 15:] = True
    lines = yolo_lines(mask, 0)
    assert len(lines) == 2
    assert all(0 <= float(value) <= 1 for line in lines for value in line.split())
