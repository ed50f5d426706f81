"""Readers fed with anything at all: nothing but a sentence comes out. DRYWALL_QA_FUZZ examples each, few where it is not set."""

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import AnnotationError, DrywallError
from core.masks.strokes import apply_patch
from dashboard.mask_editor import stroke_of
from data.exchange import coco, cvat, label_studio, yolo
from data.exchange.coco_shapes import draw_annotations
from training.config import make_config

EXAMPLES = int(os.environ.get("DRYWALL_QA_FUZZ", "40"))
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 1e9, 1e308, 10**400, float("nan"), float("inf"), 640, 99_999]),
    st.booleans(),
)
plain = st.one_of(st.none(), numbers, st.text(max_size=20))
anything = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
rings = st.one_of(anything, st.lists(st.one_of(numbers, anything), max_size=14))
SIZE_HW = (48, 64)


@fuzz
@given(
    st.fixed_dictionaries(
        {"id": st.just(1)}, optional={"segmentation": st.one_of(anything, st.lists(rings, max_size=3)), "bbox": rings}
    )
)
def test_any_annotation(annotation):
    drawing = draw_annotations([annotation], SIZE_HW)
    assert len(drawing.drawn) + len(drawing.refused) + len(drawing.specks) == 1


@fuzz
@given(st.one_of(anything, st.lists(numbers, max_size=20), st.text(max_size=60)), anything)
def test_any_run_lengths(counts, size):
    for rle in ({"counts": counts, "size": size}, {"counts": counts, "size": list(SIZE_HW)}):
        draw_annotations([{"id": 1, "segmentation": rle}], SIZE_HW)


def read_all(incoming):
    for label in incoming.labels:
        with suppress(AnnotationError):
            label.draw(SIZE_HW)


entries = st.dictionaries(
    st.sampled_from(["id", "file_name", "width", "height", "image_id", "category_id", "segmentation", "bbox", "name"]),
    anything,
    max_size=9,
)


@fuzz
@given(
    st.dictionaries(
        st.sampled_from(["images", "annotations", "categories", "info"]),
        st.one_of(anything, st.lists(entries, max_size=4)),
        max_size=4,
    )
)
def test_any_coco_file(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("f") / "a.json"
    path.write_text(json.dumps(document), "utf-8", "surrogatepass")
    read_all(coco.read(path))


keys = st.sampled_from(
    [
        "id",
        "data",
        "annotations",
        "result",
        "value",
        "image",
        "points",
        "rle",
        "format",
        "polygonlabels",
        "original_width",
        "type",
    ]
)
tasks = st.recursive(
    plain, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=6)), max_leaves=20
)


@fuzz
@given(st.lists(tasks, max_size=3))
def test_any_label_studio_file(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("f") / "a.json"
    path.write_text(json.dumps(document), "utf-8", "surrogatepass")
    read_all(label_studio.read(path))


@fuzz
@given(
    st.one_of(st.text(max_size=200), st.lists(numbers, max_size=14).map(lambda v: " ".join(map(str, v)))), st.text(max_size=80)
)
def test_any_yolo_folder(tmp_path_factory, lines, names):
    folder = tmp_path_factory.mktemp("f")
    (folder / "a.txt").write_text(lines, "utf-8", "surrogatepass")
    (folder / "data.yaml").write_text(names, "utf-8", "surrogatepass")
    with suppress(DrywallError):
        read_all(yolo.read(folder))


@fuzz
@given(st.text(alphabet='<>/="ailmnoptsgeycrk 0123456789;,.-', max_size=300), st.lists(numbers, max_size=6))
def test_any_cvat_file(tmp_path_factory, text, values):
    path: Path = tmp_path_factory.mktemp("f") / "a.xml"
    points = ";".join(f"{value},{value}" for value in values)
    shape = f'<image name="a" width="64" height="48"><polygon label="c" points="{points}"/><mask label="c" rle="{points}" left="0" top="0" width="3" height="3"/></image>'
    for content in (text, f"<annotations>{shape}</annotations>"):
        path.write_text(content, "utf-8", "surrogatepass")
        with suppress(DrywallError):
            read_all(cvat.read(path))


@fuzz
@given(
    st.fixed_dictionaries(
        {key: st.one_of(st.integers(-5, 200), anything) for key in ("x", "y", "w", "h", "tool", "undo", "added", "removed")}
    )
)
def test_any_message_of_the_canvas(text):
    with suppress(DrywallError):
        apply_patch(np.zeros(SIZE_HW, bool), stroke_of(text).patch)


@fuzz
@given(
    st.dictionaries(
        st.sampled_from(
            ["train", "loss", "model", "labels", "inference", "checkpoint", "name", "synonyms", "split", "augment", "x"]
        ),
        anything,
        max_size=5,
    )
)
def test_any_configuration(values):
    with suppress(DrywallError):
        make_config(values)
