import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_fill_holes, label

from core.masks.mask import draw_band, fill_polygon
from core.masks.outlines import outlines

FRAME = np.pad(np.zeros((3, 4), bool), 2, constant_values=True)
LADDER = np.pad(np.tile([[True], [False]], (40, 3)), ((1, 1), (1, 1)), constant_values=True)  # hole upon hole
ISLAND_IN_HOLE = np.pad(np.pad(np.ones((2, 2), bool), 2), 1, constant_values=True)


def drawn(rings, size_hw):
    mask = np.zeros(size_hw, bool)
    for ring in rings:
        mask |= fill_polygon(ring, size_hw)
    return mask


@settings(max_examples=300)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14)))
@example(FRAME)
@example(LADDER)
@example(ISLAND_IN_HOLE)
@example(np.ones((1, 1), bool))
@example(np.eye(9, dtype=bool))
@example(np.eye(9, dtype=bool)[::-1] | np.eye(9, dtype=bool))
def test_outlines_draw_the_very_same_mask(mask):
    rings = outlines(mask)
    assert np.array_equal(drawn(rings, mask.shape), mask)
    assert len(rings) == label(mask, np.ones((3, 3)))[1]  # one ring a component, however many holes
    assert all(len(ring) >= 4 and (ring >= 0).all() and (ring <= mask.shape[::-1]).all() for ring in rings)


@pytest.mark.parametrize("width_px", [0.5, 1, 2, 7])
@pytest.mark.parametrize("end", [(58.0, 3.0), (58.0, 21.3), (40.0, 57.0), (3.2, 58.0)])
def test_another_rasteriser_is_within_a_pixel(width_px, end):
    """Pillow paints the rim as well; nothing it paints lies farther than a pixel off, and nothing is missing."""
    mask = draw_band(np.array([(2.0, 2.0), end]), width_px, (60, 60))
    image = Image.new("1", mask.shape[::-1])
    for ring in outlines(mask):
        ImageDraw.Draw(image).polygon([(x - 0.5, y - 0.5) for x, y in ring], fill=1, outline=1)
    theirs = np.array(image.convert("L")) > 0
    assert not (mask & ~theirs).any()
    assert not (theirs & ~binary_dilation(mask, np.ones((3, 3)))).any()


def test_a_straight_line_has_no_more_points_than_it_needs():
    mask = np.zeros((30, 50), bool)
    mask[10:20, 5:45] = True
    assert len(outlines(mask)[0]) == 8  # four sides and the corners between them
    assert not outlines(np.zeros((3, 3), bool))


def test_a_hole_is_cut_open_within_the_mask():
    (ring,) = outlines(FRAME)
    edges = np.stack([ring, np.roll(ring, -1, axis=0)], axis=1)
    cuts = [edge for edge in edges.tolist() if edge[::-1] in edges.tolist()]
    assert len(cuts) == 2
    (x, top), (_, bottom) = sorted(cuts[0], key=lambda point: point[1])
    assert FRAME[int(top) : int(bottom), int(x)].all()
    assert binary_fill_holes(FRAME).all()
