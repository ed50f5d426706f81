"""outline.js: rings that are the region again, corners within their tolerance, lengths of lines that are known."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.measure import approximate_polygon

from core.masks.mask import draw_band
from core.masks.outlines import outlines
from core.sizes.band_size import band_size

MASKS = array_shapes(min_dims=2, max_dims=2, max_side=16).flatmap(lambda shape: arrays(bool, shape))
FRAME = np.pad(np.zeros((3, 4), bool), 2, constant_values=True)
EIGHT = np.ones((3, 3))
REGION = "findRegion(a, b, c, (i) => a.bits[i], true)"


def parts_of(mask):
    parts, count = ndimage.label(mask, EIGHT)
    return [parts == number + 1 for number in range(count)]


def signed_area(ring):
    x, y = np.array(ring, float).T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def rings_of(js, part):
    y, x = np.argwhere(part)[0]
    return js(f"traceRings({REGION})", part, int(x), int(y))


@given(MASKS)
@example(FRAME)
@example(np.eye(9, dtype=bool))
def test_the_rings_of_a_region_are_its_very_border(js, mask):
    for part in parts_of(mask):
        rings = rings_of(js, part)
        assert np.array_equal(js("(fillRings(a, b, 1), a)", np.zeros_like(mask), rings), part)
        assert sum(map(signed_area, rings)) == part.sum()  # outer rings one way, holes the other
        corners = {tuple(point) for ring in rings for point in ring}
        assert {tuple(point) for point in _corners(part)} == corners


def _corners(part):
    """Grid corners where the border turns: of the four pixels around, the two on a side are not alike."""
    padded = np.pad(part, 1)
    around = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]]).astype(int)
    turns = (around.sum(axis=0) % 2 == 1) | ((around[0] == around[3]) & (around[1] == around[2]) & (around[0] != around[1]))
    return np.argwhere(turns)[:, ::-1]


def test_a_region_has_a_ring_for_each_hole_where_core_cuts_them_open(js):
    assert len(rings_of(js, FRAME)) == 2
    assert len(outlines(FRAME)) == 1


@pytest.mark.parametrize("tolerance", [0.4, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("seed", range(12))
def test_the_corners_kept_are_those_of_scikit_image(js, seed, tolerance):
    random = np.random.default_rng(seed)
    ring = random.random((random.integers(5, 30), 2)) * 40
    kept = js("keepCorners(a, b)", ring, tolerance)
    assert kept == sorted(set(kept))
    closed = np.vstack([ring, ring[:1]])
    far = int(np.argmax(np.hypot(*(closed - closed[0]).T)))
    halves = approximate_polygon(closed[: far + 1], tolerance), approximate_polygon(closed[far:], tolerance)
    assert {tuple(closed[place]) for place in kept} == {tuple(point) for half in halves for point in half}


@given(MASKS)
def test_an_outline_that_nobody_touched_is_the_ring(js, mask):
    for part in parts_of(mask):
        for ring in rings_of(js, part):
            again = js("editedRing(editableOutline(a, 2))", ring)
            assert again == ring


def test_a_moved_corner_changes_the_border_next_to_it_alone(js):
    ring = [[0, 0], [20, 0], [20, 10], [12, 10], [12, 11], [11, 11], [11, 10], [0, 10]]  # a bump of one pixel below
    outline = js("editableOutline(a, 2)", ring)
    assert [[corner["x"], corner["y"]] for corner in outline["corners"]] == [[0, 0], [20, 0], [20, 10], [0, 10]]
    moved = js("(b => (Object.assign(b.corners[0], {x: -5, y: -5, from: null}), editedRing(b)))(a)", outline)
    assert moved == [[-5, -5], [20, 0], [20, 10], [12, 10], [12, 11], [11, 11], [11, 10], [0, 10]]


def test_a_corner_taken_away_leaves_a_straight_line(js):
    outline = js("editableOutline([[0, 0], [20, 0], [20, 10], [12, 10], [12, 11], [11, 11], [11, 10], [0, 10]], 2)")
    cut = js("(b => (b.corners[1].cut = true, b.corners.splice(2, 1), editedRing(b)))(a)", outline)
    assert cut == [[0, 0], [20, 0], [0, 10]]


@pytest.mark.parametrize("degrees", [0, 11, 27, 45, 63, 90, 135])
@pytest.mark.parametrize("width_px", [1, 4, 9])
def test_a_line_has_its_length_in_every_direction(js, degrees, width_px):
    along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    ends = np.array([100.5, 100.5]) + np.outer([-70, 70], along)
    mask = draw_band(ends, width_px, (200, 200))
    thinned = 2 + width_px / 2  # of the round ends some is eaten, some left
    assert js("skeletonLength(a)", mask) == pytest.approx(140, abs=0.02 * 140 + thinned)
    assert band_size(mask).length_px == pytest.approx(140 + width_px, abs=0.02 * 140)  # core measures from end to end


def test_a_large_mask_is_measured_on_a_smaller_copy(js):
    mask = draw_band(np.array([(30.5, 40.5), (250.5, 200.5)]), 8, (256, 300))
    assert js("skeletonLength(a, 20000)", mask) == pytest.approx(np.hypot(220, 160), rel=0.05)


def thinned(mask):
    """Zhang & Suen's rule, every pixel looked at every time."""
    mask = np.pad(mask, 1)
    while True:
        changed = False
        for first, second in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            shifts = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))  # clockwise from above
            n = np.array([np.roll(mask, shift, (0, 1)) for shift in shifts])
            turns = (~n & np.roll(n, -1, axis=0)).sum(axis=0)
            gone = mask & (n.sum(axis=0) >= 2) & (n.sum(axis=0) <= 6) & (turns == 1)
            gone &= ~n[list(first)].all(axis=0) & ~n[list(second)].all(axis=0)
            mask, changed = mask & ~gone, changed or bool(gone.any())
        if not changed:
            return mask[1:-1, 1:-1]


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8, 1.0])
def test_looking_at_the_border_alone_thins_as_looking_everywhere_does(js, share):
    field = ndimage.gaussian_filter(np.random.default_rng(1).random((90, 120)), 5)
    mask = field >= np.quantile(field, 1 - share)
    assert js("skeletonLength(a)", mask) == pytest.approx(js("skeletonLength(a)", thinned(mask)))


def test_nothing_has_no_length(js):
    assert js("skeletonLength(a)", np.zeros((5, 5), bool)) == 0
