"""raster.js beside core.masks, scikit-image and SciPy: a pixel belongs to a shape when its centre lies inside."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage import draw

from core.masks.mask import draw_band, fill_box, fill_polygon

SIZE_HW = (24, 31)
EMPTY = np.zeros(SIZE_HW, bool)
POINT = st.tuples(st.integers(-24, 4 * 40), st.integers(-24, 4 * 32)).map(lambda point: (point[0] / 4, point[1] / 4))
MASKS = array_shapes(min_dims=2, max_dims=2, max_side=24).flatmap(lambda shape: arrays(bool, shape))
EIGHT = np.ones((3, 3))


def inside(rings, size_hw=SIZE_HW):
    """Even-odd, pixel centre by pixel centre: the edges that a ray to the right crosses."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]] + 0.5
    crossed = np.zeros(size_hw, int)
    for ring in rings:
        for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            spans = (ay <= y) != (by <= y)
            with np.errstate(divide="ignore", invalid="ignore"):
                crossed += spans & (ax + (y - ay) * (bx - ax) / (by - ay) <= x)
    return crossed % 2 == 1


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def holds(box, mask):
    """Whether the box an operation returned has all that it drew."""
    if not mask.any():
        return True
    x0, y0, x1, y1 = box_of(mask)
    return box[0] <= x0 and box[1] <= y0 and box[2] >= x1 and box[3] >= y1


@given(st.lists(POINT, min_size=1, max_size=4), st.integers(4, 60).map(lambda quarter: quarter / 2))
@example([(3.0, 3.0)], 2.0)
@example([(3.0, 3.0), (3.0, 3.0)], 7.0)
@example([(-5.0, 10.0), (40.0, 10.0)], 5.0)
def test_a_band_is_the_band_of_core(js, points, width):
    box, drawn = js("[drawBand(a, b, c, 1), a]", EMPTY, points, width)
    assert np.array_equal(drawn, draw_band(np.array(points), width, SIZE_HW))
    assert holds(box, drawn)


@given(st.lists(POINT, min_size=1, max_size=4), st.integers(4, 60).map(lambda quarter: quarter / 2))
def test_an_eraser_takes_away_the_same_band(js, points, width):
    drawn = js("(drawBand(a, b, c, 0), a)", ~EMPTY, points, width)
    assert np.array_equal(drawn, ~draw_band(np.array(points), width, SIZE_HW))


WHOLE = st.tuples(st.integers(0, SIZE_HW[1] - 1), st.integers(0, SIZE_HW[0] - 1))


@given(WHOLE, WHOLE)
def test_a_hairline_is_bresenhams(js, start, end):
    expected = EMPTY.copy()
    expected[draw.line(start[1], start[0], end[1], end[0])] = True
    box, drawn = js("[drawBand(a, [b, c], 1, 1), a]", EMPTY, [v + 0.3 for v in start], [v + 0.7 for v in end])
    assert np.array_equal(drawn, expected)
    assert holds(box, drawn)


RINGS = st.lists(st.lists(POINT, min_size=3, max_size=6), min_size=1, max_size=3)


@given(RINGS)
@example([[(2.0, 2.0), (20.0, 2.0), (20.0, 20.0), (2.0, 20.0)], [(6.0, 6.0), (12.0, 6.0), (12.0, 12.0), (6.0, 12.0)]])
@example([[(2.0, 2.0), (20.0, 20.0), (20.0, 2.0), (2.0, 20.0)]])
def test_rings_are_filled_by_the_even_odd_rule(js, rings):
    box, drawn = js("[fillRings(a, b, 1), a]", EMPTY, rings)
    assert np.array_equal(drawn, inside(rings))
    assert not drawn.any() or holds(box, drawn)
    assert np.array_equal(js("(fillRings(a, b, 0), a)", ~EMPTY, rings), ~inside(rings))


@given(st.lists(POINT, min_size=3, max_size=3, unique=True))
def test_a_polygon_differs_from_pycocotools_on_its_rim_alone(js, corners):
    ring = np.array(corners)
    rim = draw_band(np.vstack([ring, ring[:1]]), 2.5, SIZE_HW)
    off = js("(fillRings(a, [b], 1), a)", EMPTY, corners) ^ fill_polygon(ring, SIZE_HW)
    assert not (off & ~rim).any()


@given(POINT, POINT)
def test_a_box_is_the_box_of_core(js, a, b):
    (x0, x1), (y0, y1) = sorted((a[0], b[0])), sorted((a[1], b[1]))
    expected = fill_box((x0, y0, x1 - x0, y1 - y0), SIZE_HW)
    assert np.array_equal(js("(fillBox(a, b, c, 1), a)", EMPTY, a, b), expected)


@given(MASKS, st.data())
def test_a_region_is_the_part_that_scipy_finds(js, mask, data):
    height, width = mask.shape
    x, y = data.draw(st.integers(-1, width)), data.draw(st.integers(-1, height))
    for value, structure in ((True, EIGHT), (False, None)):
        region = js("findRegion(a, b, c, (i) => a.bits[i] === d, d === 1)", mask, x, y, int(value))
        outside = not (0 <= x < width and 0 <= y < height)
        if outside or mask[y, x] != value:
            assert region is None
            continue
        parts, _ = ndimage.label(mask == value, structure)
        expected = parts == parts[y, x]
        painted = np.zeros_like(mask)
        for row, left, right in region["spans"]:
            assert not painted[row, left:right].any()  # no pixel twice
            painted[row, left:right] = True
        assert np.array_equal(painted, expected)
        assert region["area"] == expected.sum()
        assert region["box"] == box_of(expected)


@given(MASKS)
def test_parts_are_counted_as_scipy_counts_them(js, mask):
    assert js("countComponents(a)", mask) == ndimage.label(mask, EIGHT)[1]


@pytest.mark.parametrize(("box", "clipped"), [([-3, 2.2, 5.1, 99], [0, 2, 6, 24]), ([40, 0, 50, 9], None)])
def test_a_box_is_clipped_to_the_bitmap(js, box, clipped):
    assert js("clipBox(a, b)", EMPTY, box) == clipped


def test_boxes_are_joined(js):
    assert js("joinBoxes([1, 5, 3, 9], [0, 6, 2, 12])") == [0, 5, 3, 12]
    assert js("[joinBoxes(null, [1, 2, 3, 4]), joinBoxes([1, 2, 3, 4], null)]") == [[1, 2, 3, 4]] * 2
