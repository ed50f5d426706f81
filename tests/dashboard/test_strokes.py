import numpy as np
import pytest

from dashboard.strokes import ADD_COLOUR, ERASE_COLOUR, apply_strokes

# As streamlit-drawable-canvas 0.13 sent them for strokes drawn by hand on a canvas of 400x300
BRUSH = {
    "type": "Path", "originX": "center", "originY": "center", "left": 100, "top": 75, "width": 100.024, "height": 50.024,
    "stroke": ADD_COLOUR, "strokeWidth": 12, "scaleX": 1, "scaleY": 1, "angle": 0,
    "path": [["M", 49.988, 49.988], ["Q", 50, 50, 55, 51], ["Q", 100, 60, 105, 64], ["L", 150.012, 100.012]],
}  # fmt: skip
SEAM = {
    "type": "Line", "left": 125, "top": 225, "width": 150, "height": 50, "stroke": ADD_COLOUR, "strokeWidth": 12,
    "scaleX": 1, "scaleY": 1, "angle": 0, "x1": -75, "x2": 75, "y1": -25, "y2": 25,
}  # fmt: skip
POLYGON = {
    "type": "Polygon", "left": 300, "top": 100, "width": 100, "height": 100, "stroke": ADD_COLOUR, "strokeWidth": 1,
    "scaleX": 1, "scaleY": 1, "angle": 0, "points": [{"x": 250, "y": 50}, {"x": 350, "y": 60}, {"x": 330, "y": 150}],
}  # fmt: skip
EMPTY = np.zeros((300, 400), bool)
# Areas are held to 4 %: at a slope of 1/3 pixel centres lie in rows 0.32 px apart, so a 12-px band gains or loses a row


def draw(*objects, mask=EMPTY, canvas_width_px=400):
    return apply_strokes(mask, {"objects": list(objects)}, canvas_width_px)


def test_seam_becomes_a_band_where_it_was_drawn():
    band = draw(SEAM)
    assert band[225, 125]
    assert band[201:204, 50:53].any()
    assert band[248, 198]
    assert not band[150].any()
    assert band.sum() == pytest.approx(np.hypot(150, 50) * 12 + np.pi * 36, rel=0.04)


def test_brush_follows_its_path():
    drawn = draw(BRUSH)
    assert drawn[50, 50]
    assert drawn[98, 148]
    assert not drawn[200:].any()


def test_polygon_is_filled():
    assert draw(POLYGON).sum() == pytest.approx(abs(100 * 100 - 10 * 80) / 2, rel=0.03)


def test_strokes_land_at_full_resolution():
    large = draw(SEAM, mask=np.zeros((3000, 4000), bool))
    assert large.sum() == pytest.approx(100 * draw(SEAM).sum(), rel=0.04)
    assert large[2250, 1250]


def test_eraser_takes_away_in_order():
    eraser = {**SEAM, "stroke": ERASE_COLOUR}
    assert not draw(SEAM, eraser).any()
    assert draw(eraser, SEAM).sum() == draw(SEAM).sum()
    assert not draw(eraser, mask=~EMPTY)[225, 125]


@pytest.mark.parametrize("shape", [BRUSH, SEAM, POLYGON], ids=["brush", "seam", "polygon"])
def test_moving_an_object_moves_its_pixels(shape):
    moved = draw({**shape, "left": shape["left"] + 20, "top": shape["top"] + 10})
    expected = np.roll(draw(shape), (10, 20), axis=(0, 1))
    assert (moved ^ expected).sum() <= 0.08 * expected.sum()


def test_turning_a_seam_by_a_right_angle():
    turned = draw({**SEAM, "angle": 90})
    assert turned.sum() == pytest.approx(draw(SEAM).sum(), rel=0.04)
    assert turned[225 - 70, 125 + 23]
    assert turned[225 + 70, 125 - 23]


def test_nothing_drawn_changes_nothing_and_the_label_is_left_alone():
    mask = ~EMPTY
    assert np.array_equal(apply_strokes(mask, None, 400), mask)
    assert np.array_equal(draw(mask=mask), mask)
    draw({**SEAM, "stroke": ERASE_COLOUR}, mask=mask)
    assert mask.all()
