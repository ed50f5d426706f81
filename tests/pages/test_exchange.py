"""Import and export, run by Streamlit's AppTest: a file is chosen, its differences looked at, then saved or left out."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.masks.mask import decode_rle, encode_rle
from dashboard.label_changes import around
from data.exchange.export import export_bytes, export_name
from data.exchange.formats import FORMATS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(workspace, show):
    app = show("exchange")
    app.text_input(key="reviewer").set_value("Ann")
    return app


@pytest.fixture
def exported(workspace, store):
    """Exports with the first two labels changed; the labels are then put back."""

    def make(form: str) -> bytes:
        first, second = store.samples()[:2]
        for sample in (first, second):
            mask = decode_rle(store.label(sample.id).rle)
            mask[:12, :12] = True
            store.save_label(sample.id, mask, based_on=store.label(sample.id).number, author="ann", tool="drawn")
        content = export_bytes(workspace, form)
        for sample in (first, second):
            store.restore(sample.id, 1, based_on=2, author="ann")
        return content

    return make


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    return app.file_uploader[0].set_value((name, content, "application/octet-stream")).run()


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label.startswith(label)).click().run()


def shown(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_comes_back_after_a_look_at_its_differences(form, page, exported, store):
    first, second = store.samples()[:2]
    upload(page, export_name(form), exported(form))
    assert not page.exception
    assert not page.error
    assert shown(page) == {"Differ": "2", "The same": str(len(store.samples()) - 2), "Not usable": "0"}
    assert any(f"read as {FORMATS[form].title}" in m.value for m in page.markdown)
    old, new = decode_rle(store.label(first.id, 1).rle), decode_rle(store.label(first.id, 2).rle)
    iou, added = (old & new).sum() / (old | new).sum(), (new & ~old).sum()
    assert any(f"IoU {iou:.3f} · {added:,} px added, 0 removed" in m.value for m in page.markdown)
    assert {store.label(sample.id).number for sample in (first, second)} == {3}  # looking saved nothing
    press(page, "Save 2 labels")
    label = store.label(first.id)
    assert (label.number, label.author, label.provenance) == (4, "Ann", "imported")
    assert np.array_equal(decode_rle(label.rle), new)
    assert label.comment == export_name(form)
    assert shown(page)["Differ"] == "0"


def test_a_change_that_is_left_out_stays_as_it_was(page, exported, store):
    first, second = store.samples()[:2]
    upload(page, "coco.zip", exported("coco"))
    page.checkbox[0].uncheck().run()
    press(page, "Save 1 label")
    assert sorted(store.label(sample.id).number for sample in (first, second)) == [3, 4]


def test_without_a_name_nothing_is_saved(page, exported, store):
    page.text_input(key="reviewer").set_value("").run()
    upload(page, "cvat.zip", exported("cvat"))
    press(page, "Save 2 labels")
    assert "name of who imports is missing" in page.error[0].value
    assert store.label(store.samples()[0].id).number == 3


def test_a_class_of_another_name_is_asked_for(page, store):
    sample = next(sample for sample in store.samples() if sample.class_name == "cracks")
    mask = np.zeros(sample.size_hw, bool)
    mask[10:30, 10:60] = True
    rle = encode_rle(mask)
    document = {
        "images": [{"id": 1, "file_name": sample.file_name, "height": mask.shape[0], "width": mask.shape[1]}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "segmentation": rle, "bbox": [10, 10, 50, 20]}],
        "categories": [{"id": 7, "name": "fissure"}],
    }
    upload(page, "labels.json", json.dumps(document).encode())
    assert shown(page)["Differ"] == "0"
    next(box for box in page.selectbox if box.label == "fissure").set_value("cracks").run()
    assert shown(page) == {"Differ": "1", "The same": "0", "Not usable": "0"}
    press(page, "Save 1 label")
    assert np.array_equal(decode_rle(store.label(sample.id).rle), mask)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("labels.json", b"[1, 2", "not JSON"),
        ("labels.json", b"17", "format of labels.json cannot be told"),
        ("labels.xml", b"<annotations", "labels.xml"),
        ("labels.zip", b"PK no", "format of labels.zip cannot be told"),
    ],
)
def test_a_file_that_is_no_export_is_a_sentence(name, content, words, page, store):
    upload(page, name, content)
    assert not page.exception
    told = [error.value for error in page.error] + [str(frame.value) for frame in page.dataframe]
    assert any(words in text for text in told), told
    assert all(store.label(sample.id).number == 1 for sample in store.samples())


def test_every_format_and_table_is_offered_and_is_a_file(page, workspace, store):
    page.radio(key="exchange_view").set_value("Labels out").run()
    assert not page.exception
    assert len(page.get("download_button")) == len(FORMATS) + 2
    for form in FORMATS:
        with zipfile.ZipFile(io.BytesIO(export_bytes(workspace, form))) as archive:
            assert archive.namelist()
    log = export_bytes(workspace, "review-log")
    assert log.startswith(b'\xef\xbb\xbf"time_utc",')
    assert log.count(b"\r\n") == len(store.samples()) + 1


def test_the_picture_of_a_change_is_cut_to_it_and_stays_on_the_photo():
    mask = np.zeros((300, 400), bool)
    assert around(mask) == (slice(None), slice(None))
    mask[0, 399] = True
    rows, columns = around(mask)
    assert (rows, columns) == (slice(0, 120), slice(280, 400))
    mask[:, 10] = True
    assert around(mask) == (slice(0, 300), slice(0, 400))


def test_photos_without_shapes_are_asked_about(page, store):
    sample = store.samples()[0]
    height, width = sample.size_hw
    frame = f'<image id="0" name="{sample.file_name}" width="{width}" height="{height}"/>'
    declared = f"<meta><task><labels><label><name>{sample.class_name}</name></label></labels></task></meta>"
    upload(page, "a.xml", f"<annotations>{declared}{frame}</annotations>".encode())
    assert shown(page)["Differ"] == "0"
    next(box for box in page.checkbox if box.label.startswith("A photo without shapes")).check().run()
    assert shown(page)["Differ"] == "1"
    press(page, "Save 1 label")
    assert not decode_rle(store.label(sample.id).rle).any()
