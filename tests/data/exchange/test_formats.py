"""Every format out and back in: equal masks, whatever the mask."""

import json
from collections import defaultdict
from contextlib import suppress

import numpy as np
import pytest
from defusedxml.ElementTree import parse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy.ndimage import binary_dilation

from core.errors import AnnotationError
from core.masks.mask import decode_rle, draw_band, encode_rle
from data.exchange.brush_rle import decode_brush, encode_brush
from data.exchange.formats import FORMATS
from data.exchange.labels import OutgoingLabel, draw_polygon
from data.exchange.yolo import yolo_lines

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=24)
HAIRLINE = draw_band(np.array([(1.0, 2.0), (38.0, 22.0)]), 0.5, (24, 40))
RING = np.pad(np.zeros((3, 3), bool), 3, constant_values=True)


@st.composite
def photos(draw):
    """One to three photos, each with a mask for one or both classes: noise, hairlines, empty."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        size_hw = draw(SHAPES)
        for class_name in draw(st.sampled_from([["cracks"], ["taping"], ["cracks", "taping"]])):
            found.append((number, class_name, draw(arrays(bool, size_hw))))
    return found


def outgoing(folder, masks):
    folder.mkdir(parents=True, exist_ok=True)
    labels = []
    for number, class_name, mask in masks:
        name = f"wall {number} ä&<_jpg.rf.{number}.png"
        Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(folder / name)
        split = ("train", "val", "test")[number % 3]
        labels.append(OutgoingLabel(name, class_name, split, folder / name, encode_rle(mask)))
    return labels


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(photos())
@example([(0, "cracks", HAIRLINE), (1, "taping", RING), (1, "cracks", ~RING)])
@example([(0, "cracks", np.zeros((3, 4), bool)), (1, "taping", np.ones((3, 4), bool))])
def test_masks_come_back_equal(form, tmp_path_factory, masks):
    folder = tmp_path_factory.mktemp(form)
    labels = outgoing(folder / "photos", masks)
    FORMATS[form].write(folder / "out", labels)
    incoming = FORMATS[form].read(folder / "out")
    assert incoming.not_used == []
    back = {}
    for item in incoming.labels:
        key = (item.file_name.removesuffix(".png"), item.class_name)
        size_hw = next(out.rle["size"] for out in labels if out.file_name.removesuffix(".png") == key[0])
        assert item.size_hw in (None, tuple(size_hw))
        assert item.photo is None or item.photo.name.removesuffix(".png") == key[0]
        back[key] = item.draw(tuple(size_hw))
    for label in labels:
        key = (label.file_name.removesuffix(".png"), label.class_name)
        if key not in back:  # a format that declares no classes says nothing of a class nobody drew
            assert form.startswith("coco")
            assert not decode_rle(label.rle).any()
        else:
            assert np.array_equal(back.pop(key), decode_rle(label.rle))
    assert not any(mask.any() for mask in back.values())


@pytest.mark.parametrize("form", ["coco", "coco-polygons"])
def test_pycocotools_reads_the_same_masks(form, tmp_path):
    masks = [(0, "cracks", HAIRLINE), (3, "cracks", RING)]
    FORMATS[form].write(tmp_path / "out", outgoing(tmp_path, masks))
    coco = COCO(tmp_path / "out" / "cracks" / "train" / "_annotations.coco.json")
    found = [coco.annToMask(annotation) for annotation in coco.loadAnns(coco.getAnnIds())]
    assert [mask.astype(bool).tolist() for mask in found] == [mask.tolist() for _, _, mask in masks]
    assert [annotation["area"] for annotation in coco.loadAnns(coco.getAnnIds())] == [HAIRLINE.sum(), RING.sum()]


@pytest.mark.parametrize("mask", [HAIRLINE, RING], ids=["hairline", "ring"])
def test_yolo_drawn_by_pillow_is_within_a_pixel(mask):
    image = Image.new("L", mask.shape[::-1])
    for line in yolo_lines(mask, 3):
        index, *shares = line.split()
        points = np.array(shares, float).reshape(-1, 2) * mask.shape[::-1] - 0.5
        ImageDraw.Draw(image).polygon([tuple(point) for point in points], fill=1, outline=1)
        assert index == "3"
    theirs = np.array(image) > 0
    assert not (mask & ~binary_dilation(theirs, np.ones((3, 3)))).any()
    assert not (theirs & ~binary_dilation(mask, np.ones((3, 3)))).any()


# -- Label Studio's brush codec ----------------------------------------------------------------------------------------

# made by label_studio_converter 0.0.59, brush.encode_rle, from the RGBA pictures below
THEIR_T = list(
    bytes.fromhex(
        "0000008c391bfe1f0000300c8001c0ff00300c8001c0ff00300c8001c0ff00300c8001c0ff00300c8001c0ffbe00006019000381ff85c0000c032000703ff0b800018064000e07fdb000"
    )
)
THEIR_LARGE = [0, 1, 212, 192, 57, 27, 255, 46, 223, 0, 255, 255, 255, 254, 151, 127, 252]


def test_brush_of_the_reference_converter_is_read():
    letter = np.zeros((5, 7), bool)
    letter[1, 1:6] = letter[2:5, 3] = True
    assert np.array_equal(decode_brush(THEIR_T, (5, 7)), letter)
    large = np.zeros((200, 150), bool)
    large[20:] = True
    assert np.array_equal(decode_brush(THEIR_LARGE, (200, 150)), large)
    assert encode_brush(large) == THEIR_LARGE


@given(arrays(bool, SHAPES))
def test_brush_round_trip(mask):
    assert np.array_equal(decode_brush(encode_brush(mask), mask.shape), mask)


def test_literal_blocks_of_the_brush_are_read():
    """As the browser writes single pixels: a block that is not a repetition, its words one after another."""
    words = bytes([1, 2, 3, 255, 9, 9, 9, 0])
    bits = f"{len(words):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}" + f"000{len(words) - 1:03b}"
    bits += "".join(f"{word:08b}" for word in words)
    bits += "0" * (-len(bits) % 8)
    packed = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    assert decode_brush(packed, (1, 2)).tolist() == [[True, False]]


@given(st.lists(st.integers(0, 255), max_size=40))
def test_broken_brushes_are_sentences(rle):
    head = list((4 * 6).to_bytes(4, "big"))
    for broken in (rle, head + rle, [*head, 57, 27, *rle]):
        with suppress(AnnotationError):  # anything else fails the test
            assert decode_brush(broken, (2, 3)).shape == (2, 3)


# -- what comes from outside is never trusted --------------------------------------------------------------------------

CVAT = '<?xml version="1.0"?><annotations><meta><task><labels><label><name>cracks</name></label></labels>'
CVAT += "</task></meta>{}</annotations>"
LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]>'
READ_FILE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("form", "file_name", "content", "words"),
    [
        ("cvat", "a.xml", LAUGHS + "<annotations>&c;</annotations>", "cannot be read as XML"),
        ("cvat", "a.xml", READ_FILE + "<annotations>&b;</annotations>", "cannot be read as XML"),
        ("cvat", "a.xml", "<annotations>", "cannot be read as XML"),
        ("cvat", "a.xml", '<annotations><track id="0"/></annotations>', "not CVAT for images"),
        ("cvat", "a.xml", CVAT.format('<image name="a.png" width="x" height="4"/>'), "is no number"),
        ("coco", "a.json", "[1]", "not COCO"),
        ("coco", "a.json", "{", "is not JSON"),
        ("coco", "a.json", '{"images": [{}], "annotations": [7]}', "lacks an id"),
        ("label-studio", "a.json", "nope", "is not JSON"),
        ("label-studio", "a.json", '[{"data": {"image": "a.png"}}]', "nobody has annotated"),
        ("label-studio", "a.json", "[3]", "not a Label Studio task"),
        ("label-studio", "a.json", '[{"data": {"n": 3}, "annotations": [{"result": []}]}]', "names no image"),
        ("yolo", "a.txt", "9 0 0 1 0 1 1", "line 1 has class '9'"),
        ("masks", "a.png", "no picture", "lies in no folder"),
        ("masks", "cracks/a.png", "no picture", "is not a picture"),
    ],
)
def test_broken_files_are_named_and_the_rest_is_read(form, file_name, content, words, tmp_path):
    good = [(0, "cracks", RING)]
    FORMATS[form].write(tmp_path / "in", outgoing(tmp_path / "photos", good))
    broken = tmp_path / "in" / file_name
    broken.parent.mkdir(exist_ok=True)
    broken.write_text(content, "utf-8")
    incoming = FORMATS[form].read(tmp_path / "in")
    assert [item.reason for item in incoming.not_used if words in item.reason], incoming.not_used
    assert any(label.shapes and np.array_equal(label.draw(RING.shape), RING) for label in incoming.labels)


def labels_of(form, tmp_path, content):
    name = {"cvat": "a.xml", "yolo": "a.txt"}.get(form, "a.json")
    (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / "classes.txt").write_text("cracks\n")
    incoming = FORMATS[form].read(tmp_path / name)
    assert not incoming.not_used
    return incoming.labels


def cvat_image(shapes):
    return CVAT.format(f'<image name="a.png" width="10" height="8">{shapes}</image>')


def studio_task(kind, **value):
    region = {"type": kind, "original_width": 10, "original_height": 8, "value": {kind: ["cracks"], **value}}
    return json.dumps([{"data": {"image": "/data/upload/1/0a1b2c3d-a%20b.png"}, "annotations": [{"result": [region]}]}])


SQUARE = np.zeros((8, 10), bool)
SQUARE[2:6, 1:5] = True


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("cvat", cvat_image('<polygon label="cracks" points="1.00,2.00;5.00,2.00;5.00,6.00;1.00,6.00"/>')),
        ("cvat", cvat_image('<mask label="cracks" rle="0, 16" left="1" top="2" width="4" height="4"/>')),
        ("cvat", cvat_image('<mask label="cracks" rle="1,4,2,4,2,4,2,4,1" left="0" top="2" width="6" height="4"/>')),
        ("label-studio", studio_task("polygonlabels", points=[[10, 25], [50, 25], [50, 75], [10, 75]])),
        ("label-studio", studio_task("brushlabels", format="rle", rle=encode_brush(SQUARE))),
        ("yolo", "0 0.1 0.25 0.5 0.25 0.5 0.75 0.1 0.75"),
    ],
)
def test_what_other_tools_write_is_read(form, content, tmp_path):
    (label,) = labels_of(form, tmp_path, content)
    assert np.array_equal(label.draw((8, 10)), SQUARE)
    assert label.class_name == "cracks"


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [
        ("cvat", cvat_image('<polygon label="cracks" points="1,2;5,2"/>'), "has 2 points, needs 3"),
        ("cvat", cvat_image('<polygon label="cracks" points="1,2;5,nan;3,4"/>'), "not a finite number"),
        ("cvat", cvat_image('<polygon label="cracks" points="a,b;c"/>'), "not a number"),
        ("cvat", cvat_image('<polyline label="cracks" points="1,2;5,2"/>'), "neither a mask nor a polygon"),
        ("cvat", cvat_image('<mask label="cracks" rle="0,16" left="8" top="2" width="4" height="4"/>'), "leaves the photo"),
        (
            "cvat",
            cvat_image('<mask label="cracks" rle="0,9999999999999" left="0" top="0" width="4" height="4"/>'),
            "in a box of 16",
        ),
        ("cvat", cvat_image('<mask label="cracks" rle="20,-4" left="0" top="0" width="4" height="4"/>'), "in a box of 16"),
        ("label-studio", studio_task("rectanglelabels", x=1, y=2, width=3, height=4), "neither a brush region nor"),
        ("label-studio", studio_task("polygonlabels", points=[[1, 2], [3]]), "not pairs of numbers"),
        ("label-studio", studio_task("brushlabels", format="rle", rle=[1, 2, 3]), "ends within its head"),
        ("yolo", "0 0.1 0.25 0.5 0.25", "is a box"),
        ("yolo", "0 0.1 0.25 0.5 0.25 0.5", "odd number"),
        ("yolo", "0 0.1 0.25 0.5 0.25 0.5 7", "outside 0 to 1"),
        ("yolo", "0 0.1 0.25 x 0.25 0.5 7", "not a number"),
    ],
)
def test_a_shape_that_cannot_be_drawn_refuses_its_label(form, content, words, tmp_path):
    (label,) = labels_of(form, tmp_path, content)
    with pytest.raises(AnnotationError, match=words):
        label.draw((8, 10))


def test_label_studio_takes_the_newest_annotation_and_the_uploads_name(tmp_path):
    task = json.loads(studio_task("polygonlabels", points=[[0, 0], [100, 0], [100, 100]]))[0]
    newer = json.loads(studio_task("brushlabels", format="rle", rle=encode_brush(SQUARE)))[0]["annotations"][0]
    cancelled = {"id": 3, "result": [], "was_cancelled": True, "updated_at": "2026-03"}
    task["annotations"][0] |= {"id": 1, "updated_at": "2026-01"}
    task["annotations"] = [{**newer, "id": 2, "updated_at": "2026-02"}, *task["annotations"], cancelled]
    (tmp_path / "a.json").write_text(json.dumps(task))
    incoming = FORMATS["label-studio"].read(tmp_path / "a.json")
    assert [item.item for item in incoming.not_used] == ["a.json: task 1, annotation 1"]
    assert incoming.labels[0].file_name == "0a1b2c3d-a b.png"
    assert np.array_equal(incoming.labels[0].draw((8, 10)), SQUARE)


def test_cvat_runs_are_those_of_its_own_masks(tmp_path):
    """Row by row from the bounding box's corner, unset pixels first: counted here with pycocotools on the turned box."""
    FORMATS["cvat"].write(tmp_path, outgoing(tmp_path / "photos", [(0, "cracks", HAIRLINE)]))
    mask = parse(tmp_path / "annotations.xml").find("image/mask")
    left, top, width, height = (int(mask.get(key)) for key in ("left", "top", "width", "height"))
    box = HAIRLINE[top : top + height, left : left + width]
    assert box.sum() == HAIRLINE.sum()
    uncompressed = {"size": [width, height], "counts": [int(run) for run in mask.get("rle").split(",")]}
    turned = coco_mask.decode(coco_mask.frPyObjects(uncompressed, width, height))
    assert np.array_equal(turned.T.astype(bool), box)


def test_photos_of_two_classes_share_their_files(tmp_path):
    labels = outgoing(tmp_path / "photos", [(0, "cracks", RING), (0, "taping", ~RING)])
    for form, folder in (("cvat", "images"), ("label-studio", "images"), ("yolo", "images/train")):
        FORMATS[form].write(tmp_path / form, labels)
        assert len(list((tmp_path / form / folder).iterdir())) == 1
        by_file = defaultdict(set)
        for label in FORMATS[form].read(tmp_path / form).labels:
            by_file[label.file_name].add(label.class_name)
        assert list(by_file.values()) == [{"cracks", "taping"}]


def test_a_polygon_without_end_is_refused_before_anything_draws_it():
    zigzag = np.array([(1e9 * (number % 2), number) for number in range(400)], float)
    with pytest.raises(AnnotationError, match="polygon 1: polygon has an outline of"):
        draw_polygon(zigzag, (20, 30), "polygon 1")
