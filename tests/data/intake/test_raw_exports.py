import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools.coco import COCO

from core.errors import AnnotationError
from core.masks.mask import decode_rle, encode_rle
from data.exchange.coco import ANNOTATION_FILE, write_coco
from data.intake.raw_exports import read_export

SQUARE = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]


def export(folder: Path, annotations: list, images: list | None = None, size_wh=(12, 10)) -> Path:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", size_wh, "white").save(folder / "a.jpg")
    images = [{"id": 1, "file_name": "a.jpg", "width": size_wh[0], "height": size_wh[1]}] if images is None else images
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "whatever"}]}
    (folder / ANNOTATION_FILE).write_text(json.dumps(document))
    return folder


def annotation(number: int = 1, **fields) -> dict:
    return {"id": number, "image_id": 1, "category_id": 1, "bbox": [2, 2, 6, 6], "iscrowd": 0, **fields}


def read_one(folder: Path):
    result = read_export(folder, "cracks", "train")
    return decode_rle(result.images[0].rle), result.images[0].kinds, result.problems


MASK = np.zeros((10, 12), bool)
MASK[3:6, 4:9] = True
UNCOMPRESSED = {"size": [10, 12], "counts": [43, 3, 7, 3, 7, 3, 7, 3, 7, 3, 34]}


@pytest.mark.parametrize(
    ("segmentation", "kind"),
    [
        pytest.param([SQUARE], "polygon", id="polygon"),
        pytest.param(dict(encode_rle(MASK)), "rle", id="compressed-rle"),
        pytest.param(UNCOMPRESSED, "rle", id="uncompressed-rle"),
    ],
)
def test_masks_equal_those_of_pycocotools(tmp_path, segmentation, kind):
    folder = export(tmp_path, [annotation(segmentation=segmentation)])
    mask, kinds, problems = read_one(folder)
    reference = COCO(str(folder / ANNOTATION_FILE))
    assert np.array_equal(mask, reference.annToMask(reference.anns[1]).astype(bool))
    assert (dict(kinds), problems) == ({kind: 1}, [])


def test_boxes_become_rectangles_and_several_annotations_unite(tmp_path):
    folder = export(tmp_path, [annotation(1, segmentation=[], bbox=[0, 0, 3, 2]), annotation(2, segmentation=[SQUARE])])
    mask, kinds, _ = read_one(folder)
    assert mask[:2, :3].all()
    assert mask[5, 5]
    assert dict(kinds) == {"box": 1, "polygon": 1}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"segmentation": [[1, 1, 5, 5]]}, "polygon has 2 points, needs 3", id="two-points"),
        pytest.param({"segmentation": [[1, 1, 5, float("nan"), 3, 3]]}, "not a finite number", id="nan"),
        pytest.param({"segmentation": {"size": [3, 3], "counts": [9]}}, r"RLE has size \[3, 3\]", id="rle-of-wrong-size"),
        pytest.param({"segmentation": {"size": [10, 12], "counts": "~~~~"}}, "malformed", id="rle-malformed"),
        pytest.param({"segmentation": {"size": [10, 12], "counts": [5, 6]}}, "add up to 11", id="rle-too-short"),
        pytest.param({"segmentation": "x"}, "is a str", id="segmentation-is-text"),
        pytest.param({"segmentation": [], "bbox": [-4, 1, 8, 3]}, "leaves the photo; clipped", id="box-leaves-the-photo"),
    ],
)
def test_what_can_be_repaired_is_repaired_and_listed(tmp_path, fields, words):
    mask, _, problems = read_one(export(tmp_path, [annotation(**fields)]))
    assert mask.any()
    assert [problem.action for problem in problems] == ["repaired"]

    assert re.search(words, problems[0].reason)


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        pytest.param([annotation(segmentation=[], bbox=[50, 50, 4, 4])], "covers no pixel", id="box-outside"),
        pytest.param([annotation(category_id=9)], "category 9 is not in", id="unknown-category"),
        pytest.param([annotation(image_id=7)], "names no usable image", id="unknown-image"),
        pytest.param([annotation(bbox=None, segmentation=None)], "neither a usable", id="no-box-no-segmentation"),
        pytest.param([annotation(1), annotation(1)], "used by an earlier annotation", id="duplicate-id"),
        pytest.param(["text"], "not an object", id="no-object"),
    ],
)
def test_what_cannot_be_used_is_refused_and_listed(tmp_path, annotations, words):
    result = read_export(export(tmp_path, annotations), "cracks", "train")
    assert len(result.images) == 1
    assert [p.action for p in result.problems] == ["refused"]
    assert words in result.problems[0].reason


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        pytest.param({"id": 2, "file_name": "../a.jpg"}, "leads out of the export", id="dot-dot"),
        pytest.param({"id": 2, "file_name": "/etc/passwd"}, "leads out of the export", id="absolute"),
        pytest.param({"id": 2, "file_name": "C:\\a.jpg"}, "leads out of the export", id="drive"),
        pytest.param({"id": 2, "file_name": "gone.jpg"}, "its file is missing", id="missing"),
        pytest.param({"id": 2, "file_name": "empty.jpg"}, "empty", id="zero-bytes"),
        pytest.param({"id": 1, "file_name": "a.jpg"}, "used by an earlier image", id="duplicate-id"),
        pytest.param({"file_name": "a.jpg"}, "lacks an id", id="no-id"),
    ],
)
def test_bad_images_do_not_stop_the_good_one(tmp_path, entry, words):
    good = {"id": 1, "file_name": "a.jpg", "width": 12, "height": 10}
    folder = export(tmp_path, [annotation(segmentation=[SQUARE])], [good, entry])
    (folder / "empty.jpg").touch()
    result = read_export(folder, "cracks", "train")
    assert [image.file_name for image in result.images] == ["a.jpg"]
    assert words in result.problems[0].reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "not COCO"),
        ('{"a": 1}', "no list of images"),
        ('{"images": [], "annotations": 3}', "must be a list"),
    ],
)
def test_files_that_are_no_coco_are_refused(tmp_path, content, words):
    (tmp_path / ANNOTATION_FILE).write_text(content)
    with pytest.raises(AnnotationError, match=words):
        read_export(tmp_path, "cracks", "train")


def test_sideways_photo_turns_its_labels_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored 12x10, shown 10x12
    folder = export(tmp_path, [annotation(segmentation=[], bbox=[0, 0, 4, 2])])
    Image.new("RGB", (12, 10)).save(folder / "a.jpg", exif=exif)
    mask, _, problems = read_one(folder)
    assert mask.shape == (12, 10)
    assert mask[:4, 8:].all()
    assert mask.sum() == 8
    assert "turned" in problems[0].reason


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(bool, (10, 12)))
def test_written_masks_come_back_equal(tmp_path, mask):
    folder = export(tmp_path, [])
    write_coco(folder, [("a.jpg", encode_rle(mask))], "cracks")
    assert np.array_equal(read_one(folder)[0], mask)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_malformed_counts_never_crash(tmp_path, counts):
    folder = export(tmp_path, [annotation(segmentation={"size": [10, 12], "counts": counts})])
    assert read_one(folder)[0].shape == (10, 12)


def test_real_photos_read_as_pycocotools_reads_them(sample_data):
    folder = sample_data / "cracks" / "valid"
    reference = COCO(str(folder / ANNOTATION_FILE))
    images = read_export(folder, "cracks", "val").images
    assert images
    for image in images:
        number = next(i for i, entry in reference.imgs.items() if entry["file_name"] == image.file_name)
        masks = [reference.annToMask(a) for a in reference.imgToAnns[number]]
        assert np.array_equal(decode_rle(image.rle), np.any(masks, axis=0))
