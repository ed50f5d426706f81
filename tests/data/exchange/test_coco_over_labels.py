"""import-labels of COCO files over a workspace of two photos whose label is one known rectangle."""

import json

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import decode_rle, encode_rle, fill_box
from data.exchange.coco import ANNOTATION_FILE, write_coco
from data.exchange.export import export_labels
from data.exchange.label_import import read_import, save_import
from data.intake.preparation import prepare
from data.workspace import Workspace

SIZE, OLD, NEW = (30, 40), [2, 3, 10, 4], [20, 10, 6, 8]


@pytest.fixture
def place(tmp_path):
    """(workspace, store) with a.png and b.png, both with OLD as cracks."""
    folder = tmp_path / "raw/cracks/train"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.png")):
        noise = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)
        Image.fromarray(noise).save(folder / name)
    write_coco(folder, [(name, encode_rle(fill_box(OLD, SIZE))) for name in ("a.png", "b.png")], "cracks")
    workspace = Workspace.open(tmp_path / "ws")
    store = workspace.store()
    prepare(tmp_path / "raw", workspace, store)
    yield workspace, store
    store.close()


def shape(number, image, box, category=1, **fields):
    x, y, w, h = box
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, "segmentation": [ring], **fields}


def coco(path, annotations, names=("a.png",), categories=((1, "cracks"),), height=30, width=40):
    images = [{"id": i, "file_name": name, "height": height, "width": width} for i, name in enumerate(names, 1)]
    listed = [{"id": i, "name": name} for i, name in categories]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": listed}))
    return path


def changed(found):
    return {change.file_name: decode_rle(change.rle) for change in found.changes}


def test_a_root_category_called_as_the_class_empties_nothing(place, tmp_path):
    file = coco(tmp_path / "a.json", [shape(1, 1, NEW, 1)], categories=((0, "cracks"), (1, "crack")))
    found = read_import(place[1], file, "coco", {"crack": "cracks"})
    assert np.array_equal(changed(found)["a.png"], fill_box(NEW, SIZE))
    assert found.skipped == []


def test_a_photo_without_shapes_of_a_category_that_has_some_is_empty(place, tmp_path):
    found = read_import(place[1], coco(tmp_path / "a.json", [shape(1, 1, NEW)], ("a.png", "b.png")), "coco")
    assert np.array_equal(changed(found)["a.png"], fill_box(NEW, SIZE))
    assert not changed(found)["b.png"].any()


def test_a_category_with_shapes_in_another_file_of_the_import_counts(place, tmp_path):
    (tmp_path / "in").mkdir()
    coco(tmp_path / "in/1.json", [shape(1, 1, NEW)])
    coco(tmp_path / "in/2.JSON", [], ("b.png",))
    assert not changed(read_import(place[1], tmp_path / "in", "coco"))["b.png"].any()


def test_a_file_of_no_shapes_at_all_declares_nothing_but_ours_does(place, tmp_path):
    workspace, store = place
    assert changed(read_import(store, coco(tmp_path / "a.json", [], ("a.png", "b.png")), "coco")) == {}
    for sample in store.samples():
        store.save_label(sample.id, np.zeros(SIZE, bool), based_on=1, author="ann", tool="drawn")
    export_labels(workspace, store, tmp_path / "out", "coco")
    for sample in store.samples():
        store.restore(sample.id, 1, based_on=2, author="ann")
    found = read_import(store, tmp_path / "out", "coco")
    assert {name: mask.any() for name, mask in changed(found).items()} == {"a.png": False, "b.png": False}


def test_a_stray_annotation_keeps_its_photo_from_being_emptied(place, tmp_path):
    file = coco(tmp_path / "a.json", [shape(1, 1, NEW), shape(2, 2, NEW, 9)], ("a.png", "b.png"))
    found = read_import(place[1], file, "coco")
    assert list(changed(found)) == ["a.png"]
    assert "its category 9 is not in the file's list" in found.skipped[0].reason


@pytest.mark.parametrize(("height", "width"), [(15, 20), (15.0, 20.0), ("15", "20"), ("15.0", 20)])
def test_a_label_of_half_the_size_is_scaled_and_told(height, width, place, tmp_path):
    found = read_import(place[1], coco(tmp_path / "a.json", [shape(1, 1, [10, 5, 3, 4])], height=height, width=width), "coco")
    assert np.array_equal(changed(found)["a.png"], fill_box([20, 10, 6, 8], SIZE))
    assert [note.text for note in found.notes] == ["the file says 20x15, the upright photo is 40x30; labels were scaled to it"]
    assert found.document()["notes"][0]["item"] == "a.png (cracks)"


def test_a_label_of_another_shape_is_refused(place, tmp_path):
    found = read_import(place[1], coco(tmp_path / "a.json", [shape(1, 1, NEW)], height=40), "coco")
    assert changed(found) == {}
    assert "the file says 40x40, the upright photo is 40x30: another shape" in found.skipped[0].reason


def test_the_good_rings_of_a_label_are_taken_and_the_bad_one_is_told(place, tmp_path):
    bad = shape(1, 1, NEW)
    bad["segmentation"].append([1, 1, 2])
    found = read_import(place[1], coco(tmp_path / "a.json", [bad]), "coco")
    assert np.array_equal(changed(found)["a.png"], fill_box(NEW, SIZE))
    assert "ring 2 of 2: polygon has 3 coordinates" in found.notes[0].text


@pytest.mark.parametrize(
    "fields", [{"segmentation": [[1, 1]]}, {"segmentation": []}, {"segmentation": [], "bbox": [1, 1, 0.4, 0.4]}]
)
def test_a_label_of_which_a_part_cannot_be_drawn_leaves_the_old_one(fields, place, tmp_path):
    found = read_import(place[1], coco(tmp_path / "a.json", [shape(1, 1, NEW, **fields)]), "coco")
    assert changed(found) == {}
    assert len(found.skipped) == 1


def test_a_speck_beside_a_real_shape_is_noise(place, tmp_path):
    speck = shape(2, 1, [1, 1, 0.4, 0.4], segmentation=[])
    found = read_import(place[1], coco(tmp_path / "a.json", [shape(1, 1, NEW), speck]), "coco")
    assert np.array_equal(changed(found)["a.png"], fill_box(NEW, SIZE))
    assert [note.text for note in found.notes] == ["1 annotations smaller than a pixel were left out"]


def test_a_photo_beside_the_labels_tells_how_it_was_turned_and_a_word_changes_it(place, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    (tmp_path / "in/images").mkdir(parents=True)
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "in/images/A.PNG", exif=exif)
    coco(tmp_path / "in/labels.json", [shape(1, 1, NEW)])
    as_told = read_import(place[1], tmp_path / "in", "coco")
    assert np.array_equal(changed(as_told)["a.png"], fill_box(NEW, SIZE))
    assert "taken as drawn on the upright photo" in as_told.notes[0].text
    stored = read_import(place[1], tmp_path / "in", "coco", exif="stored")
    assert np.array_equal(changed(stored)["a.png"], fill_box(NEW, SIZE)[::-1, ::-1])
    with pytest.raises(RequestError, match="--exif is for COCO"):
        read_import(place[1], tmp_path / "in", "cvat", exif="stored")


def test_a_sample_without_a_label_gets_its_first(place, tmp_path):
    workspace, store = place
    raw = tmp_path / "later/cracks/train"
    raw.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(9).integers(0, 255, (*SIZE, 3), np.uint8)).save(raw / "c.png")
    coco(raw / ANNOTATION_FILE, [shape(1, 1, NEW, segmentation=[[1, 1]], bbox=None)], ("c.png",))
    prepare(tmp_path / "later", workspace, store)
    found = read_import(store, coco(tmp_path / "c.json", [shape(1, 1, NEW), shape(2, 2, NEW)], ("a.png", "c.png")), "coco")
    assert {change.file_name: change.based_on for change in found.changes} == {"a.png": 1, "c.png": 0}
    assert save_import(store, found, "ann") == [1, 3]
    assert np.array_equal(decode_rle(store.label(3).rle), fill_box(NEW, SIZE))
