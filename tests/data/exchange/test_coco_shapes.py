import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from core.masks.mask import decode_rle, encode_rle, fill_box, rle_box
from data.exchange.coco_shapes import Speck, Unusable, draw_annotation, draw_annotations, unite
from data.exchange.labels import stated_size

SIZE = (10, 12)
SQUARE, OTHER = [2, 2, 8, 2, 8, 8, 2, 8], [9, 0, 12, 0, 12, 3, 9, 3]


def drawn(**annotation):
    found = draw_annotation(annotation, SIZE)
    return decode_rle(found.rle), found


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        pytest.param([1, 1, 5, 5], "polygon has 2 points, needs 3", id="two-points"),
        pytest.param([1, 1, 5, float("nan"), 3, 3], "not a finite number", id="nan"),
        pytest.param([1, 1, 5, None, 3, 3], "not a finite number", id="none"),
        pytest.param([1, 1, 5, "5", 3, 3], "not a finite number", id="text"),
        pytest.param([1, 1, 5, 5, 3, 3, 4], "7 coordinates, an odd number", id="odd"),
        pytest.param([], "polygon has 0 points", id="empty"),
        pytest.param(7, "not a finite number", id="no-list"),
        pytest.param([-9e4, 0, 9e4, 1] * 200, "has an outline of", id="endless"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_ring_is_named_and_the_good_ones_are_kept(ring, words, place):
    rings = [SQUARE, OTHER]
    rings.insert(place, ring)
    mask, found = drawn(segmentation=rings, bbox=[0, 0, 12, 10])
    assert np.array_equal(mask, fill_box([2, 2, 6, 6], SIZE) | fill_box([9, 0, 3, 3], SIZE))
    (note,) = found.notes
    assert note.startswith(f"ring {place + 1} of 3: ")
    assert words in note
    assert found.kind == "polygon"


@given(st.tuples(*[st.floats(-4, 16)] * 4))
def test_boxes_are_those_that_fill_box_draws(box):
    wanted = fill_box(box, SIZE)
    if wanted.any():
        mask, found = drawn(bbox=list(box))
        assert np.array_equal(mask, wanted)
        assert unite([found.rle]) == encode_rle(wanted)
    else:
        with pytest.raises(Unusable):
            drawn(bbox=list(box))


@given(st.lists(st.lists(st.floats(-3, 15), min_size=6, max_size=16).map(lambda r: r[: len(r) // 2 * 2]), min_size=1, max_size=4))
def test_polygons_are_those_of_pycocotools(rings):
    wanted = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *SIZE))) > 0
    if wanted.any():
        assert np.array_equal(drawn(segmentation=rings)[0], wanted)


@pytest.mark.parametrize("size", [[5, 6], [5.0, 6.0], ["5", "6.0"]])
def test_an_rle_of_half_the_size_is_scaled_and_told(size):
    small = np.zeros((5, 6), bool)
    small[1, 2:4] = True
    mask, found = drawn(segmentation={**encode_rle(small), "size": size})
    assert np.array_equal(mask, fill_box([4, 2, 4, 2], SIZE))
    assert found.notes == ("RLE has size 6x5, the image is 12x10; it was scaled to it",)


def test_runs_of_no_pixels_do_not_widen_the_box():
    _, found = drawn(segmentation={"size": [10, 12], "counts": [3, 0, 40, 2, 75]})
    assert rle_box(found.rle) == [4, 3, 1, 2]


@pytest.mark.parametrize(
    "annotation",
    [
        {"bbox": [3, 3, 0.4, 0.4]},
        {"bbox": [0, 0, 0.5, 1], "segmentation": []},
        {"bbox": [3.6, 3.6, 0.2, 0.2], "segmentation": [[3.6, 3.6, 3.6, 3.6, 3.6, 3.6]]},
    ],
)
def test_a_speck_is_noise_beside_another_and_refused_alone(annotation):
    with pytest.raises(Speck):
        draw_annotation(annotation, SIZE)
    speck = {"id": 1, **annotation}
    beside = draw_annotations([speck, {"id": 2, "segmentation": [SQUARE]}], SIZE)
    assert (beside.specks, beside.refused, len(beside.drawn)) == (["annotation 1"], [], 1)
    alone = draw_annotations([speck], SIZE)
    assert [name for name, _ in alone.refused] == ["annotation 1"]


def test_a_broken_segmentation_with_a_tiny_box_is_refused_and_no_speck():
    found = draw_annotations(
        [{"id": 1, "segmentation": [[1, 2]], "bbox": [3, 3, 0.2, 0.2]}, {"id": 2, "bbox": [0, 0, 2, 2]}], SIZE
    )
    assert found.refused == [("annotation 1", "polygon has 1 points, needs 3")]


@pytest.mark.parametrize(
    ("value", "side"), [(400, 400), (400.0, 400), ("400", 400), ("400.0", 400), (400.5, None), ("x", None), (True, None),
                        (0, None), (None, None), ("1e400", None), (float("nan"), None)]
)  # fmt: skip
def test_sides_are_read_however_they_are_written(value, side):
    assert stated_size(value, 7) == (None if side is None else (side, 7))


def test_sixty_thousand_points_and_three_hundred_others_take_no_time_on_twelve_megapixels():
    angles = np.linspace(0, 2 * np.pi, 60_000, endpoint=False)
    radius = 1200 + 80 * np.sin(50 * angles)
    ring = np.stack([2000 + radius * np.cos(angles), 1500 + radius * np.sin(angles)], axis=1).ravel().tolist()
    random = np.random.default_rng(0)
    others = [{"id": n, "bbox": [*random.uniform(0, 2800, 2), 150, 90]} for n in range(150)]
    others += [{"id": n, "segmentation": [(random.uniform(0, 3000) + random.uniform(0, 90, 8)).tolist()]} for n in range(150)]
    start = time.perf_counter()
    found = draw_annotations([{"id": -1, "segmentation": [ring]}, *others], (3000, 4000))
    unite([one.rle for _, one in found.drawn])
    assert time.perf_counter() - start < 2
    assert len(found.drawn) == 301
