import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.ndimage import binary_dilation, binary_erosion
from skimage.draw import disk, polygon
from skimage.morphology import skeletonize

from core.masks.mask import (
    box_rle,
    decode_rle,
    draw_band,
    drawable_ring,
    encode_rle,
    fill_box,
    fill_polygon,
    mask_png,
    read_mask_png,
    rle_area,
    same_mask,
    write_mask_png,
)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_rle_round_trip_and_area(mask):
    rle = encode_rle(mask)
    assert np.array_equal(decode_rle(rle), mask)
    assert rle_area(rle) == mask.sum()
    assert rle["counts"].encode() == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


def test_one_mask_in_other_runs_is_the_same_mask():
    column = np.array([[False], [True], [True], [False]])
    cut = coco_mask.frPyObjects({"size": [4, 1], "counts": [1, 1, 0, 1, 1]}, 4, 1)
    other = {"size": [4, 1], "counts": cut["counts"].decode()}
    assert other != encode_rle(column)
    assert same_mask(other, encode_rle(column))
    assert not same_mask(other, encode_rle(~column))
    assert not same_mask(encode_rle(column), encode_rle(column.T))


def test_box_is_clipped_to_the_photo():
    assert fill_box([-2, 1, 4, 2], (4, 5)).astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_polygon_agrees_with_scikit_image_but_for_its_rim():
    points = np.array([(10.0, 5.0), (60.0, 20.0), (40.0, 70.0)])
    ours, theirs = fill_polygon(points, (80, 80)), np.zeros((80, 80), bool)
    theirs[polygon(points[:, 1], points[:, 0], (80, 80))] = True
    assert not (binary_erosion(theirs) & ~ours).any()
    assert not (ours & ~binary_dilation(theirs)).any()


def test_band_of_one_point_is_a_disk():
    expected = np.zeros((20, 20), bool)
    expected[disk((9.5, 9.5), 6.001, shape=(20, 20))] = True
    assert np.array_equal(draw_band(np.array([(10.0, 10.0)]), 12, (20, 20)), expected)


def test_diagonal_band_has_the_area_of_its_length_times_width():
    band = draw_band(np.array([(20.0, 20.0), (180.0, 140.0)]), 20, (200, 200))
    assert band.sum() == pytest.approx(200 * 20 + np.pi * 100, rel=0.01)


def test_hairline_is_never_broken():
    band = draw_band(np.array([(1.0, 1.0), (18.0, 7.0)]), 0.5, (10, 20))
    assert band.any(axis=0)[1:18].all()


@pytest.mark.parametrize("width_px", [0.5, 1, 3])
def test_bools_of_a_band_are_zeros_and_ones(width_px):
    """Bools made of 255, as a bilevel Pillow image gives them, crash scikit-image's skeletonize."""
    band = draw_band(np.array([(1.0, 1.0), (18.0, 7.0)]), width_px, (10, 20))
    assert set(np.unique(band.view(np.uint8))) == {0, 1}
    assert skeletonize(band).any()


def test_png_is_one_channel_of_0_and_255(tmp_path):
    mask = np.eye(5, 7, dtype=bool)
    write_mask_png(mask, tmp_path / "a" / "mask.png")
    with Image.open(tmp_path / "a" / "mask.png") as image:
        assert (image.mode, image.size, set(np.unique(np.array(image)))) == ("L", (7, 5), {0, 255})
    assert np.array_equal(read_mask_png(tmp_path / "a" / "mask.png"), mask)
    assert mask_png(mask) == (tmp_path / "a" / "mask.png").read_bytes()
    assert len(list((tmp_path / "a").iterdir())) == 1  # nothing half-written lies about


@given(st.tuples(*[st.floats(-5, 45)] * 2), st.tuples(*[st.floats(0, 60)] * 2))
def test_a_box_sets_the_pixels_whose_centre_lies_inside(corner, size):
    y, x = np.mgrid[:20, :30] + 0.5
    expected = (x >= corner[0]) & (x < corner[0] + size[0]) & (y >= corner[1]) & (y < corner[1] + size[1])
    assert np.array_equal(fill_box((*corner, *size), (20, 30)), expected)
    assert rle_area(box_rle((*corner, *size), (20, 30))) == expected.sum()


def test_a_ring_without_end_is_no_ring_and_a_far_point_is_moved_nearer():
    zigzag = np.array([(1e9 * (number % 2), number) for number in range(400)], float)
    with pytest.raises(ValueError, match="outline of 4e"):
        drawable_ring(zigzag)
    assert drawable_ring(np.array([(0, 0), (1e9, 0), (0, -1e9)], float)).tolist() == [[0, 0], [1e5, 0], [0, -1e5]]
