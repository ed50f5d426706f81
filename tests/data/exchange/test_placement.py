import numpy as np
import pytest
from PIL import Image, ImageOps

from core.errors import AnnotationError
from data.exchange.placement import is_resize, place

DRAWN = np.zeros((4, 6), bool)
DRAWN[0, :2] = DRAWN[1, 0] = True  # an L in the corner: every turn and mirror looks different


def upright(mask, orientation):
    """As a viewer shows the picture."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    picture.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(picture)) > 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_labels_turn_as_pillow_turns_the_photo(orientation):
    wanted = upright(DRAWN, orientation)
    placed = place(DRAWN.shape, wanted.shape, orientation, "stored")
    assert np.array_equal(placed.mask(DRAWN), wanted)
    rows, columns = np.nonzero(wanted)
    assert placed.box([0, 0, 2, 2]) == [columns.min(), rows.min(), 2, 2]


@pytest.mark.parametrize(
    ("stated_hw", "size_hw", "orientation", "exif", "turned"),
    [
        pytest.param((4, 6), (6, 4), 6, None, True, id="stated-as-stored"),
        pytest.param((6, 4), (6, 4), 6, None, False, id="stated-as-upright"),
        pytest.param((5, 5), (5, 5), 6, None, False, id="square-counts-as-upright"),
        pytest.param((5, 5), (5, 5), 6, "stored", True, id="square-stored"),
        pytest.param((4, 6), (4, 6), 3, None, False, id="on-its-head-counts-as-upright"),
        pytest.param((4, 6), (4, 6), 3, "stored", True, id="on-its-head-stored"),
        pytest.param((4, 6), (4, 6), 2, "upright", False, id="mirrored-upright"),
        pytest.param(None, (6, 4), 6, None, False, id="nothing-stated"),
        pytest.param((4, 6), (4, 6), 1, "stored", False, id="nothing-to-turn"),
        pytest.param((40, 60), (600, 400), 6, None, True, id="stored-and-scaled"),
    ],
)
def test_the_stated_size_tells_how_labels_were_drawn_and_a_word_decides(stated_hw, size_hw, orientation, exif, turned):
    placed = place(stated_hw, size_hw, orientation, exif)
    assert (placed.orientation != 1) == turned
    assert placed.mask(np.zeros(placed.drawn_hw, bool)).shape == size_hw


def test_what_the_size_leaves_open_is_said_once_and_not_after_a_word():
    assert "taken as drawn on the upright photo (--exif stored" in place((5, 5), (5, 5), 6).note
    assert "taken as drawn on the upright photo" in place((4, 6), (4, 6), 3).note
    assert place((5, 5), (5, 5), 6, "upright").note == ""
    assert place((6, 4), (6, 4), 6).note == ""
    assert "drawn on the photo as it is stored (EXIF orientation 6); turned" in place((4, 6), (6, 4), 6).note


@pytest.mark.parametrize(
    ("one", "other", "same_shape"),
    [
        ((320, 480), (640, 960), True),
        ((1000, 1333), (3000, 4000), True),
        ((320, 479), (320, 480), True),
        ((640, 640), (640, 480), False),
        ((640, 640), (640, 650), False),
        ((480, 320), (320, 480), False),
        ((4, 5), (96, 128), False),
    ],
)
def test_a_resize_keeps_the_shape(one, other, same_shape):
    assert is_resize(one, other) == is_resize(other, one) == same_shape


def test_half_a_size_is_scaled_and_another_shape_is_refused_with_both_sizes():
    placed = place((2, 3), (4, 6))
    assert np.array_equal(placed.mask(DRAWN[:2, :3]), np.kron(DRAWN[:2, :3], np.ones((2, 2))) > 0)
    assert placed.box([0, 0, 2, 1]) == [0, 0, 4, 2]
    assert placed.note == "the file says 3x2, the upright photo is 6x4; labels were scaled to it"
    with pytest.raises(AnnotationError, match=r"says 6x6, the upright photo is 6x4: another shape.*export the photo and its"):
        place((6, 6), (4, 6))
    with pytest.raises(AnnotationError, match="megapixels"):
        place((99_999, 99_999), (10, 10))
