import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import decode_rle
from data.exchange.export import export_labels
from data.exchange.formats import FORMATS
from data.exchange.label_import import read_import, save_import
from data.exchange.photo_names import PhotoFinder, export_names


def dented(store, sample):
    """The label with a square more and a column less."""
    mask = decode_rle(store.label(sample.id).rle)
    mask[2:9, 3:12] = True
    mask[:, 40:43] = False
    return mask


@pytest.mark.parametrize("form", FORMATS)
def test_changed_labels_come_back_as_revisions_of_the_same_samples(form, workspace, store, tmp_path):
    samples = store.samples()
    old = {sample.id: decode_rle(store.label(sample.id).rle) for sample in samples}
    changed, emptied, *_ = samples
    new = {**old, changed.id: dented(store, changed), emptied.id: np.zeros(emptied.size_hw, bool)}
    for sample in (changed, emptied):
        store.save_label(sample.id, new[sample.id], based_on=1, author="ann", tool="drawn")
    assert export_labels(workspace, tmp_path / "out", form) == len(samples)
    for sample in (changed, emptied):
        store.save_label(sample.id, old[sample.id], based_on=2, author="ann", tool="restored")
    found = read_import(store, tmp_path / "out", form)
    assert found.skipped == []
    assert sorted(change.sample_id for change in found.changes) == [changed.id, emptied.id]
    assert len(found.same) == len(samples) - 2
    assert store.label(changed.id).number == 3  # looking changed nothing
    first = next(entry for entry in found.document()["changed"] if entry["sample"] == changed.id)
    before, after = old[changed.id], new[changed.id]
    assert (first["added_px"], first["removed_px"]) == ((after & ~before).sum(), (before & ~after).sum())
    assert first["iou"] == pytest.approx((before & after).sum() / (before | after).sum())
    json.dumps(found.document())
    assert sorted(save_import(store, found, "bob")) == [changed.id, emptied.id]
    label = store.label(changed.id)
    assert (label.number, label.parent, label.author) == (4, 3, "bob")
    assert label.tool == f"imported from {FORMATS[form].title}"
    assert np.array_equal(decode_rle(label.rle), after)
    assert not decode_rle(store.label(emptied.id).rle).any()
    assert read_import(store, tmp_path / "out", form).changes == []


def test_what_cannot_be_used_is_listed_and_the_rest_goes_on(workspace, store, tmp_path):
    export_labels(workspace, tmp_path / "out", "masks")
    files = sorted((tmp_path / "out" / "cracks").rglob("*.png"))
    Image.new("L", (5, 4)).save(files[0])
    files[1].write_bytes(b"no picture")
    stranger = files[2].rename(files[2].with_name("stranger.png"))
    mask = np.array(Image.open(files[3]))
    Image.fromarray(255 - mask).save(files[3])
    other = tmp_path / "out" / "dents" / "train" / files[4].name
    other.parent.mkdir(parents=True)
    files[4].rename(other)
    found = read_import(store, tmp_path / "out", "masks")
    reasons = " | ".join(item.reason for item in found.skipped)
    assert "it was labelled at 5x4 pixels, the photo here has " in reasons
    assert "is not a picture" in reasons
    assert f"no photo of this workspace is called {stranger.stem}" in reasons
    assert "class 'dents' is not in the workspace, there are cracks, taping; map it with --class dents=CLASS" in reasons
    assert len(found.skipped) == 4
    assert [change.class_name for change in found.changes] == ["cracks"]
    assert len(read_import(store, tmp_path / "out", "masks", {"dents": "cracks"}).skipped) == 3


def test_accepted_labels_and_stale_differences_are_left_alone(workspace, store, tmp_path):
    first, second = store.samples()[:2]
    for sample in (first, second):
        store.save_label(sample.id, ~decode_rle(store.label(sample.id).rle), based_on=1, author="ann", tool="drawn")
    export_labels(workspace, tmp_path / "out", "coco")
    for sample in (first, second):
        store.save_label(sample.id, store.label(sample.id, 1).rle, based_on=2, author="ann", tool="restored")
    store.add_review(first.id, "accepted", "ann")
    found = read_import(store, tmp_path / "out", "coco")
    assert [change.sample_id for change in found.changes] == [second.id]
    assert f"sample {first.id} is accepted; reopen it" in found.skipped[0].reason
    store.save_label(second.id, np.zeros(second.size_hw, bool), based_on=3, author="eve", tool="drawn")
    assert save_import(store, found, "bob") == []
    assert "has revision 4 by now" in found.skipped[1].reason
    assert store.label(second.id).author == "eve"


def test_a_zip_archive_is_unpacked_and_paths_out_of_it_stay_inside(workspace, store, tmp_path):
    export_labels(workspace, tmp_path / "out", "cvat")
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(tmp_path / "out" / "annotations.xml", "annotations.xml")
        archive.writestr("../../escaped.xml", "<annotations/>")
    found = read_import(store, tmp_path / "task.zip", "cvat")
    assert (len(found.same), found.skipped) == (len(store.samples()), [])
    assert not list(tmp_path.parent.glob("escaped.xml"))


@pytest.mark.parametrize(
    ("make", "form", "words"),
    [
        (lambda path: None, "cvat", "is not there"),
        (lambda path: path.mkdir(), "cvat", "holds no .xml file"),
        (lambda path: path.mkdir(), "voc", "format voc is unknown"),
        (lambda path: path.mkdir(), "yolo", "holds neither classes.txt nor data.yaml"),
    ],
)
def test_wrong_requests_are_sentences(make, form, words, store, tmp_path):
    make(tmp_path / "in")
    with pytest.raises(RequestError, match=words):
        read_import(store, tmp_path / "in", form)
    (tmp_path / "a.zip").write_bytes(b"PK no")
    with pytest.raises(RequestError, match="cannot be unpacked"):
        read_import(store, tmp_path / "a.zip", "cvat")


def test_photos_of_one_name_are_told_apart(store):
    samples = store.samples()
    names = export_names(samples)
    assert len({name.rpartition(".")[0].casefold() for name in names.values()}) == len(names)
    finder = PhotoFinder(samples)
    for image_hash, name in names.items():
        for form in (name, f"images/train/{name}", f"C:\\photos\\{name}", name.rpartition(".")[0], f"0a1b2c3d-{name}"):
            assert finder.find(form) == image_hash
