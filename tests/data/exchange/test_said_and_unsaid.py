"""What a file says of a label, and what it leaves open: united, emptied, left alone, refused; each told."""

import json

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import decode_rle, encode_rle
from data.exchange.label_import import read_import, save_import
from data.store.records import ImageRecord, NewSample

FIRST, SECOND = np.zeros((96, 128), bool), np.zeros((96, 128), bool)
FIRST[10:20, 10:40] = True
SECOND[15:30, 30:60] = True
UNITED = FIRST | SECOND


@pytest.fixture
def store(empty_store):
    """Two photos of cracks and one of taping, each labelled FIRST, SECOND and a stripe."""
    images = [ImageRecord(f"h{i}", f"images/h{i}.jpg", 96, 128) for i in range(3)]
    mask = UNITED.copy()
    mask[80:82] = True
    classes = ("cracks", "cracks", "taping")
    samples = [
        NewSample(f"h{i}", name, f"wall {i}_jpg.rf.{i}.jpg", "train", False, encode_rle(mask)) for i, name in enumerate(classes)
    ]
    empty_store.add_images(images)
    empty_store.add_samples(samples)
    return empty_store


@pytest.fixture
def sample(store):
    return store.samples()[0]


@pytest.fixture
def other(store):
    return store.samples()[1]


def points(mask):
    """The corners of a mask's rectangle, (4, 2) in pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def polygon(mask, label):
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points(mask))
    return f'<polygon label="{label}" points="{text}"/>' if label is not None else f'<polygon points="{text}"/>'


def cvat(path, *images, labels=("cracks", "taping")):
    """images: (file name, elements)."""
    declared = "".join(f"<label><name>{name}</name></label>" for name in labels)
    frames = "".join(
        f'<image id="{number}" name="{name}" width="128" height="96.0">{elements}</image>'
        for number, (name, elements) in enumerate(images)
    )
    text = f"<annotations><meta><task><labels>{declared}</labels></task></meta>{frames}</annotations>"
    (path / "annotations.XML").write_text(text, "utf-8")


def region(mask, *labels, **more):
    value = {"points": (points(mask) / (128, 96) * 100).tolist(), **({"polygonlabels": list(labels)} if labels else {})}
    return {"id": "r", "type": "polygonlabels", "original_width": 128.0, "original_height": "96", "value": value, **more}


def studio(path, *tasks):
    """tasks: (file name, results, more data)."""
    document = [
        {"id": number, "data": {"image": f"/data/upload/1/{name}", **data}, "annotations": [{"result": results}]}
        for number, (name, results, data) in enumerate(tasks, 1)
    ]
    (path / "tasks.JSON").write_text(json.dumps(document))


def yolo(path, files, names="names: [cracks, taping]"):
    """files: lines by label file's name."""
    path.mkdir(exist_ok=True)
    (path / "data.yaml").write_text(names)
    for name, lines in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(lines, "utf-8")


def line(index, mask):
    return f"{index} " + " ".join(f"{value:.6f}" for value in (points(mask) / (128, 96)).ravel()) + "\n"


CHOICE = {"id": "c", "type": "choices", "from_name": "quality", "value": {"choices": ["clean"]}}


def stem(sample):
    return sample.file_name.rpartition(".")[0]


def notes(found):
    return " | ".join(note.text for note in found.notes)


# -- two labels for one sample ------------------------------------------------------------------------------------------


def two_file_classes(path, name):
    cvat(path, (name, polygon(FIRST, "hairline") + polygon(SECOND, "crack")), labels=("hairline", "crack"))


def twice_in_one_file(path, name):
    cvat(path, (name, polygon(FIRST, "crack")), (f"train/{name}", polygon(SECOND, "crack")))


def two_tasks(path, name):
    studio(path, (name, [region(FIRST, "crack")], {}), (f"0a1b2c3d-{name}", [region(SECOND, "crack")], {}))


def two_splits(path, name):
    base = name.rpartition(".")[0]
    files = {f"train/labels/{base}.txt": line(1, FIRST), f"valid/labels/{base}.TXT": line(1, SECOND)}
    yolo(path, files, "names: {1: crack}")


def two_prompts(path, name):
    for prompt, mask in (("segment_crack", FIRST), ("segment_wall_crack", SECOND)):
        file = path / "crack" / f"{name.rpartition('.')[0]}__{prompt}.PNG"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(file)


def one_is_empty(path, name):
    for prompt, mask in (("segment_crack", UNITED), ("segment_wall_crack", UNITED & False)):
        file = path / "crack" / f"{name.rpartition('.')[0]}__{prompt}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(file)


@pytest.mark.parametrize(
    ("write", "form"),
    [
        (two_file_classes, "cvat"),
        (twice_in_one_file, "cvat"),
        (two_tasks, "label-studio"),
        (two_splits, "yolo"),
        (two_prompts, "masks"),
        (one_is_empty, "masks"),
    ],
)
def test_two_labels_for_a_sample_are_united_and_told(write, form, store, sample, tmp_path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in", sample.file_name)
    found = read_import(store, tmp_path / "in", form, {"crack": "cracks", "hairline": "cracks"})
    assert found.skipped == []
    (change,) = found.changes
    assert np.array_equal(decode_rle(change.rle), UNITED)
    together = next(note["text"] for note in found.document()["notes"] if "united" in note["text"])
    assert f"together {UNITED.sum()} px" in together


def test_a_label_that_cannot_be_drawn_leaves_out_the_ones_it_belongs_with(store, sample, tmp_path):
    cvat(tmp_path, (sample.file_name, polygon(FIRST, "cracks")), (sample.file_name, '<box label="cracks" xtl="1"/>'))
    found = read_import(store, tmp_path, "cvat")
    assert (found.changes, found.same) == ([], [])
    assert "neither a mask nor a polygon; convert it in CVAT; its 2 labels are left out together" in found.skipped[0].reason


# -- no shapes: nothing there, or nothing said ---------------------------------------------------------------------------


def frame_without_shapes(path, name, other):
    cvat(path, (name, ""), (other, polygon(UNITED, "cracks")))


def frame_with_a_tag(path, name, other):
    cvat(path, (name, '<tag label="clean"/>'), (other, polygon(UNITED, "cracks")))


def frame_without_labels(path, name, other):
    cvat(path, (name, ""), (other, polygon(UNITED, "cracks")), labels=())


def answer_alone(path, name, other):
    studio(path, (name, [CHOICE], {}), (other, [region(UNITED, "cracks"), CHOICE], {}))


def answer_alone_in_the_file(path, name, other):
    studio(path, (name, [CHOICE], {}))


def answer_to_a_task_of_ours(path, name, other):
    studio(path, (name, [CHOICE], {"classes": ["cracks"]}), (other, [region(UNITED, "cracks")], {"classes": ["cracks"]}))


def empty_result(path, name, other):
    studio(path, (name, [], {}), (other, [region(UNITED, "cracks")], {}))


@pytest.mark.parametrize(
    ("write", "form"),
    [
        (frame_without_shapes, "cvat"),
        (frame_with_a_tag, "cvat"),
        (frame_without_labels, "cvat"),
        (answer_alone, "label-studio"),
        (answer_alone_in_the_file, "label-studio"),
        (answer_to_a_task_of_ours, "label-studio"),
        (empty_result, "label-studio"),
    ],
)
def test_a_photo_without_shapes_keeps_its_label_unless_asked(write, form, store, sample, other, tmp_path):
    write(tmp_path, sample.file_name, other.file_name)
    found = read_import(store, tmp_path, form)
    assert sample.id not in [change.sample_id for change in found.changes]
    assert found.unsaid == [sample.id]
    assert "no shape of cracks, nor word that there is none" in notes(found)
    emptied = read_import(store, tmp_path, form, empty=True)
    (change,) = (change for change in emptied.changes if change.sample_id == sample.id)
    assert change.new_px == 0
    assert f"its label of {change.old_px} px becomes empty" in notes(emptied)


@pytest.mark.parametrize("form", ["cvat", "label-studio"])
def test_a_shape_without_a_label_is_told_and_empties_nothing(form, store, sample, other, tmp_path):
    if form == "cvat":
        cvat(tmp_path, (sample.file_name, polygon(FIRST, None)), (other.file_name, polygon(UNITED, "cracks")))
    else:
        studio(tmp_path, (sample.file_name, [region(FIRST)], {}), (other.file_name, [region(UNITED, "cracks")], {}))
    found = read_import(store, tmp_path, form, empty=True)
    assert [change.sample_id for change in found.changes] == [other.id]
    assert [item.reason.partition(";")[0] for item in found.skipped] == ["1 of its shapes have no label"]


def test_a_shape_that_another_entry_labels_has_a_label(store, sample, tmp_path):
    """Label Studio writes `Polygon` and `Labels` as two entries of one id, and an answer about a region as a third."""
    bare = region(FIRST, type="polygon")
    labels = region(FIRST, type="labels")
    labels["value"]["labels"] = ["cracks"]
    answer = region(FIRST, type="choices")
    answer["value"]["choices"] = ["deep"]
    studio(tmp_path, (sample.file_name, [bare, labels, answer], {}))
    found = read_import(store, tmp_path, "label-studio")
    assert found.skipped == []
    assert np.array_equal(decode_rle(found.changes[0].rle), FIRST)


def test_regions_of_every_kind_are_named_if_not_read(store, sample, tmp_path):
    bitmask = region(FIRST, type="bitmask")
    bitmask["value"] = {"imageDataURL": "data:image/png;base64,", "bitmasklabels": ["cracks"]}
    studio(tmp_path, (sample.file_name, [bitmask], {}))
    assert "neither a brush region nor a polygon" in read_import(store, tmp_path, "label-studio").skipped[0].reason


def test_an_empty_file_of_yolo_says_that_nothing_is_there(store, sample, tmp_path):
    yolo(tmp_path, {f"labels/{stem(sample)}.txt": ""})
    found = read_import(store, tmp_path, "yolo")
    assert [(change.sample_id, change.new_px) for change in found.changes] == [(sample.id, 0)]
    assert "becomes empty" in notes(found)


# -- YOLO: which class, which photo, which files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "index"),
    [
        ("names: [taping, cracks]", "1"),
        ("names: [taping, cracks]", "1.0"),
        ("names: {1: cracks, 2: taping}", "1"),
        ("names: {'0': taping, '10': cracks, '2': other}", "10"),
        ("names:\n  3: taping\n  7: cracks\n", "7"),
        ("\ufeffnames:\n- taping\n- cracks\nnc: 2\n", "1"),
        ("names: [taping, null, cracks]", "2"),
    ],
)
def test_an_index_is_the_class_the_names_give_it(names, index, store, sample, tmp_path):
    yolo(tmp_path, {f"{stem(sample)}.txt": "\ufeff" + line(index, FIRST)}, names)
    found = read_import(store, tmp_path, "yolo")
    assert found.skipped == []
    assert np.array_equal(decode_rle(found.changes[0].rle), FIRST)


@pytest.mark.parametrize("index", ["0", "2", "-1", "1.5", "nan", "one"])
def test_an_index_without_a_name_is_refused(index, store, sample, tmp_path):
    yolo(tmp_path, {f"{stem(sample)}.txt": line(index, FIRST)}, "names: {1: cracks, 3: taping}")
    found = read_import(store, tmp_path, "yolo")
    assert f"line 1 has class '{index}', there are 1, 3" in found.skipped[0].reason
    assert found.changes == []


@pytest.mark.parametrize(
    ("folder", "names_file", "content"),
    [
        ("project/labels/train", "project/classes.txt", "taping\ncracks\n"),
        ("project/labels", "project/CLASSES.TXT", "taping\r\ncracks\r\n\r\n"),
        ("obj_train_data", "obj.names", "taping\ncracks\n"),
        ("labels/val", "labels/train/classes.txt", "taping\ncracks\n"),
        ("train", "dataset.yaml", "names: {0: taping, 1: cracks}"),
    ],
)
def test_class_names_lie_anywhere_inside(folder, names_file, content, store, sample, tmp_path):
    label = tmp_path / "in" / folder / f"{stem(sample)}.txt"
    for path, text in ((label, line(1, FIRST)), (tmp_path / "in" / names_file, content)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "classes.txt").write_text("cracks\ntaping\n")  # of somebody else
    found = read_import(store, tmp_path / "in", "yolo")
    assert found.skipped == []
    assert np.array_equal(decode_rle(found.changes[0].rle), FIRST)


def test_class_names_outside_of_what_was_given_are_not_read(store, sample, tmp_path):
    yolo(tmp_path / "in", {f"{stem(sample)}.txt": line(0, FIRST)})
    (tmp_path / "in" / "data.yaml").rename(tmp_path / "data.yaml")
    with pytest.raises(RequestError, match="holds neither classes"):
        read_import(store, tmp_path / "in", "yolo")


def test_two_lists_of_names_that_differ_are_refused(store, sample, tmp_path):
    yolo(tmp_path, {f"{stem(sample)}.txt": line(0, FIRST)})
    (tmp_path / "classes.txt").write_text("taping\ncracks\n")
    with pytest.raises(RequestError, match="two lists of class names that differ"):
        read_import(store, tmp_path, "yolo")


def test_a_dot_in_a_label_files_name_ends_no_stem(store, sample, tmp_path):
    """wall.01.txt is the label of wall.01.jpg, which is not here, and none of wall.jpg."""
    yolo(tmp_path / "yolo", {f"{stem(sample)}.01.txt": line(0, FIRST)})
    (tmp_path / "masks" / "cracks").mkdir(parents=True)
    Image.fromarray(FIRST).save(tmp_path / "masks" / "cracks" / f"{stem(sample)}.01__segment_crack.png")
    for form in ("yolo", "masks"):
        found = read_import(store, tmp_path / form, form)
        assert found.changes == []
        assert f"no photo of this workspace is called {stem(sample)}.01" in found.skipped[0].reason


def test_what_lies_beside_the_labels_is_no_label(store, sample, tmp_path):
    yolo(
        tmp_path,
        {
            f"train/labels/{stem(sample)}.txt": line(0, FIRST),
            "README.roboflow.txt": "walls - v3\n\nExported by ...",
            "README.dataset.txt": "https://universe.roboflow.com",
            "train.txt": "data/obj_train_data/a.jpg\n./b 1.PNG\n",
            "__MACOSX/train/labels/._a.txt": "\0\5",
        },
    )
    found = read_import(store, tmp_path, "yolo")
    assert (found.skipped, len(found.changes)) == ([], 1)


def test_what_could_be_used_is_saved_with_the_union(store, sample, tmp_path):
    twice_in_one_file(tmp_path, sample.file_name)
    found = read_import(store, tmp_path, "cvat", {"crack": "cracks"})
    assert save_import(store, found, "bob") == [sample.id]
    assert np.array_equal(decode_rle(store.label(sample.id).rle), UNITED)
