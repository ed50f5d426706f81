"""What the dashboard's small parts compute: the part of a photo shown, a drawn line's length, boxes, addresses, charts."""

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as strategy
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.errors import RequestError
from dashboard import charts
from dashboard.label_changes import around
from dashboard.media import photo_bytes
from dashboard.sizes import _length_px
from dashboard.state import _range_of, sentences

# -- the part of a photo that an import's change is shown in -------------------------------------------------------------


def test_the_part_shown_is_the_masks_box_with_a_margin():
    mask = np.zeros((1000, 800), bool)
    mask[400:600, 300:500] = True
    rows, columns = around(mask)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (370, 630, 270, 530)


def test_a_speck_is_shown_with_its_surroundings_and_an_empty_mask_as_the_whole_photo():
    mask = np.zeros((1000, 800), bool)
    assert around(mask) == (slice(None), slice(None))
    mask[999, 0] = True
    assert around(mask) == (slice(880, 1000), slice(0, 120))


@given(strategy.integers(1, 300), strategy.integers(1, 300), strategy.data())
def test_what_is_shown_lies_in_the_photo_and_holds_the_mask(height, width, data):
    mask = np.zeros((height, width), bool)
    y, x = data.draw(strategy.integers(0, height - 1)), data.draw(strategy.integers(0, width - 1))
    mask[y : data.draw(strategy.integers(y + 1, height)), x : data.draw(strategy.integers(x + 1, width))] = True
    rows, columns = around(mask)
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
    assert mask[rows, columns].sum() == mask.sum()


# -- the scale's line ----------------------------------------------------------------------------------------------------

LINE = {"x1": -30, "y1": 20, "x2": 30, "y2": -60}


@pytest.mark.parametrize(
    ("drawing", "length"),
    [
        pytest.param(None, 0, id="nothing-was-drawn-yet"),
        pytest.param({"objects": []}, 0, id="the-line-was-taken-back"),
        pytest.param({"objects": [LINE]}, 250, id="as-drawn"),
        pytest.param({"objects": [LINE | {"angle": 30, "left": 70}]}, 250, id="turned-and-moved"),
        pytest.param({"objects": [LINE | {"scaleX": 2, "scaleY": 0.5}]}, 2.5 * np.hypot(120, 40), id="stretched"),
        pytest.param({"objects": [LINE, {"x1": 0, "y1": 0, "x2": 4, "y2": 0}]}, 10, id="the-last-one-counts"),
    ],
)
def test_a_lines_length_is_in_pixels_of_the_photo(drawing, length):
    assert _length_px(drawing, 2.5) == pytest.approx(length)


# -- media ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "mode", "kind"), [("a.jpg", "RGB", "image/jpeg"), ("a.png", "L", "image/png")])
def test_a_photo_that_browsers_show_is_served_as_its_file(tmp_path, name, mode, kind):
    Image.new(mode, (8, 6)).save(tmp_path / name)
    assert photo_bytes(tmp_path / name) == (tmp_path / name, kind)


@pytest.mark.parametrize(("name", "mode"), [("a.tif", "RGB"), ("a.bmp", "RGB"), ("b.jpg", "CMYK")])
def test_another_photo_is_served_as_png(tmp_path, name, mode):
    Image.new(mode, (8, 6)).save(tmp_path / name)
    content, kind = photo_bytes(tmp_path / name)
    assert kind == "image/png"
    assert content.startswith(b"\x89PNG")


# -- addresses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("0.2-0.6", (0.2, 0.6)),
        ("0-1", (0.0, 1.0)),
        ("", (0.0, 1.0)),
        ("0.6-0.2", (0.0, 1.0)),
        ("0.2-1.5", (0.0, 1.0)),
        ("0.2", (0.0, 1.0)),
        ("-0.2-0.6", (0.0, 1.0)),
        ("a-b", (0.0, 1.0)),
    ],
)
def test_a_range_in_an_address_is_taken_if_it_is_one(text, ends):
    assert _range_of(text) == ends


def _pickers():
    from dashboard.state import pick, pick_number, pick_range

    pick("Run", [10, 20, 30], "run")
    pick_range("IoU", "iou")
    pick_number("Page", "page", 5)


def address(app):
    return {key: value[0] if isinstance(value, list) else value for key, value in app.query_params.items()}


def test_choices_stand_in_the_address_and_come_from_it():
    app = AppTest.from_function(_pickers)
    app.query_params["run"], app.query_params["iou"], app.query_params["page"] = "20", "0.2-0.6", "4"
    app.run()
    assert (app.selectbox[0].value, app.slider[0].value, app.number_input[0].value) == (20, (0.2, 0.6), 4)
    app.selectbox[0].set_value(30).run()
    app.slider[0].set_value((0.4, 0.6)).run()
    app.number_input[0].set_value(2).run()
    assert address(app) == {"run": "30", "iou": "0.4-0.6", "page": "2"}
    app.slider[0].set_value((0.0, 1.0)).run()
    assert "iou" not in app.query_params


@pytest.mark.parametrize(
    ("query", "shown"), [({}, (10, (0.0, 1.0), 1)), ({"run": "7", "iou": "x", "page": "99"}, (10, (0.0, 1.0), 5))]
)
def test_an_address_without_or_with_what_cannot_be_shows_the_first(query, shown):
    app = AppTest.from_function(_pickers)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    assert (app.selectbox[0].value, app.slider[0].value, app.number_input[0].value) == shown


def test_an_expected_failure_is_its_sentence_and_ends_the_page(monkeypatch):
    said = []
    monkeypatch.setattr(st, "error", lambda text, **_: said.append(text))
    monkeypatch.setattr(st, "stop", lambda: said.append("stopped"))
    with sentences():
        raise RequestError("sample 7 is unknown; look on the Data page")
    assert said == ["sample 7 is unknown; look on the Data page", "stopped"]
    with pytest.raises(ValueError, match="ours"), sentences():
        raise ValueError("a fault of ours")


# -- charts --------------------------------------------------------------------------------------------------------------

EPOCHS = [
    {"epoch": 1, "train_loss": 0.9, "val_loss": 0.8, "val_miou": 0.1, "classes": {"cracks": {"miou": 0.2}}},
    {
        "epoch": 2,
        "train_loss": 0.5,
        "val_loss": 0.6,
        "val_miou": 0.3,
        "classes": {"cracks": {"miou": 0.4}, "taping": {"miou": 0.1}},
    },
]


def test_losses_lie_at_their_epochs_and_steps_between_them():
    steps = [{"epoch": 3, "step": 1, "steps": 4, "loss": 0.4}, {"epoch": 3, "step": 2, "steps": 4, "loss": 0.3}]
    lines = {line.name: line for line in charts.loss_curves(EPOCHS, steps).data}
    assert list(lines["step"].x) == [2.25, 2.5]
    assert list(lines["step"].y) == [0.4, 0.3]
    assert list(lines["training"].x) == list(lines["validation"].x) == [1, 2]
    assert list(lines["training"].y) == [0.9, 0.5]
    assert list(lines["validation"].y) == [0.8, 0.6]


def test_a_class_that_came_later_has_no_point_before():
    lines = {line.name: list(line.y) for line in charts.miou_curves(EPOCHS).data}
    assert lines == {"all": [0.1, 0.3], "cracks": [0.2, 0.4], "taping": [None, 0.1]}
    assert [line.name for line in charts.miou_curves([]).data] == ["all"]


SCORES = pd.DataFrame(
    {"iou": [0.1, 0.5, 0.9], "iou_other": [0.2, 0.4, 0.9], "class_name": ["cracks", "cracks", "taping"], "file_name": list("abc")}
)


def test_a_histogram_and_a_comparison_hold_every_sample_under_its_class():
    for figure, key in ((charts.iou_histogram(SCORES), "iou"), (charts.before_after(SCORES, "old", "new"), "iou")):
        assert {trace.name: list(trace.x) for trace in figure.data} == {"cracks": [0.1, 0.5], "taping": [0.9]}, key
    assert list(charts.before_after(SCORES, "old", "new").data[0].y) == [0.2, 0.4]


def test_an_interval_is_drawn_around_its_gain():
    parts = [
        {f"{key}{end}": value for key in ("gain", "model_change", "label_change") for end, value in ends.items()}
        for ends in ({"": 0.1, "_low": 0.05, "_high": 0.2}, {"": -0.1, "_low": None, "_high": None})
    ]
    figure = charts.gain_points(pd.DataFrame(parts).assign(part=["all", "cracks"]))
    assert [trace.name for trace in figure.data] == ["together", "the model", "the labels"]
    for trace in figure.data:
        assert list(trace.x) == [0.1, -0.1]
        np.testing.assert_allclose(trace.error_x.array, [0.1, 0])
        np.testing.assert_allclose(trace.error_x.arrayminus, [0.05, 0])
