"""prepare on tiny class folders whose masks are known."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from core.errors import RequestError
from core.masks.mask import decode_rle, fill_box
from data.exchange.coco import ANNOTATION_FILE
from data.intake.preparation import prepare
from data.intake.raw_exports import is_called
from data.workspace import Workspace

SIZE = (30, 40)


def photo(path, seed=0, size_hw=SIZE, orientation=1):
    """Noise stored as size_hw, so that each seed is a photo of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*size_hw, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise).save(path, format="PNG", exif=exif)


def shape(number, image, box, category=1, **fields):
    x, y, w, h = box
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, "segmentation": [ring], **fields}


def write(folder, names, annotations, categories=((1, "crack"),), width=40, height=30, name=ANNOTATION_FILE):
    images = [{"id": i, "file_name": file, "width": width, "height": height} for i, file in enumerate(names, 1)]
    listed = [{"id": i, "name": called} for i, called in categories]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps({"images": images, "annotations": annotations, "categories": listed}))


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def imported(tmp_path):
    workspace = Workspace.open(tmp_path / "ws")
    store = workspace.store()

    def run(raw, **options):
        report = prepare(raw, workspace, store, **options)
        labels = store.labels()
        masks = {(s.class_name, s.file_name): decode_rle(labels[s.id].rle) if s.id in labels else None for s in store.samples()}
        return masks, report, store

    yield run
    store.close()


def reasons(report, action):
    return [problem.reason for problem in report.problems if problem.action == action]


def test_a_root_category_without_shapes_changes_nothing(raw, imported):
    photo(raw / "cracks/train/a.png")
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, [2, 3, 10, 4])], ((0, "cracks"), (1, "fissures v2 2024")))
    masks, report, _ = imported(raw)
    assert np.array_equal(masks["cracks", "a.png"], fill_box([2, 3, 10, 4], SIZE))
    assert report.problems == []


FIRST, SECOND = [2, 3, 10, 4], [20, 10, 5, 6]
BOTH = fill_box(FIRST, SIZE) | fill_box(SECOND, SIZE)


@pytest.mark.parametrize("how", ["listed twice", "two splits", "two names", "two folders"])
def test_a_photo_given_twice_gets_both_labels_and_it_is_told(how, raw, imported):
    folder, other = (
        raw / "cracks/train",
        raw / {"two splits": "cracks/valid", "two folders": "walls/train"}.get(how, "cracks/train"),
    )
    second = "b.png" if how == "two names" else "a.png"
    photo(folder / "a.png")
    photo(other / second)
    if other == folder:
        write(folder, ["a.png", second], [shape(1, 1, FIRST), shape(2, 2, SECOND)])
    else:
        write(folder, ["a.png"], [shape(1, 1, FIRST)])
        write(other, [second], [shape(2, 1, SECOND)])
    mapping = {"cracks": "cracks", "walls": "cracks"} if how == "two folders" else None
    masks, report, store = imported(raw, class_of_folder=mapping)
    assert np.array_equal(masks["cracks", "a.png"], BOTH)
    assert len(masks) == 1
    assert sorted(store.samples()[0].boxes) == [FIRST, SECOND]
    assert reasons(report, "noted") == ["it is also a.png in train; the labels of both were united"]


def test_an_earlier_label_stays_when_the_photo_comes_again(raw, imported):
    photo(raw / "cracks/train/a.png")
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, FIRST)])
    imported(raw)
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, SECOND)])
    assert np.array_equal(imported(raw)[0]["cracks", "a.png"], fill_box(FIRST, SIZE))


@pytest.mark.parametrize("width", [20, 20.0, "20", "20.0"])
def test_a_label_of_half_the_size_is_scaled_and_told(width, raw, imported):
    photo(raw / "cracks/train/a.png")
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, [1, 2, 5, 3])], width=width, height=type(width)(15))
    masks, report, _ = imported(raw)
    assert np.array_equal(masks["cracks", "a.png"], fill_box([2, 4, 10, 6], SIZE))
    assert reasons(report, "repaired") == ["the file says 20x15, the upright photo is 40x30; labels were scaled to it"]


def test_a_label_of_another_shape_is_refused_by_name(raw, imported):
    for seed, name in enumerate("ab"):
        photo(raw / f"cracks/train/{name}.png", seed)
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, FIRST)], width=30, height=30)
    write(raw / "cracks/valid", ["b.png"], [shape(1, 1, FIRST)])
    photo(raw / "cracks/valid/b.png", 1)
    masks, report, _ = imported(raw)
    assert list(masks) == [("cracks", "b.png")]
    assert [problem.file_name for problem in report.problems] == ["a.png"]
    assert "another shape" in report.problems[0].reason


MIXED = ((0, "root"), (1, "crack"), (2, "window"))


def test_windows_are_not_painted_into_cracks(raw, imported):
    for seed, name in enumerate("ab"):
        photo(raw / f"cracks/train/{name}.png", seed)
    write(raw / "cracks/train", ["a.png", "b.png"], [shape(1, 1, FIRST), shape(2, 1, SECOND, 2), shape(3, 2, SECOND, 2)], MIXED)
    masks, report, _ = imported(raw)
    assert np.array_equal(masks["cracks", "a.png"], fill_box(FIRST, SIZE))
    assert not masks["cracks", "b.png"].any()
    assert [problem.item for problem in report.problems] == ["category 'window' with 2 shapes"]


def test_categories_that_could_be_the_class_are_asked_about_and_a_word_decides(raw, imported):
    photo(raw / "cracks/train/a.png")
    photo(raw / "cracks/valid/b.png", 1)
    names = ((1, "hairline"), (2, "window"))
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, FIRST)], names)
    write(raw / "cracks/valid", ["b.png"], [shape(1, 1, SECOND, 2)], names)  # alone here, but not in the class folder
    masks, report, _ = imported(raw)
    assert masks == {}
    assert len(report.problems) == 2
    assert (
        "none called as the class cracks: 'hairline' (1 shapes), 'window' (1 shapes); say which one it is with "
        "--class 'hairline'=cracks"
    ) in report.problems[0].reason
    masks, report, _ = imported(raw, class_of_folder={"Hairline": "cracks"})
    assert np.array_equal(masks["cracks", "a.png"], fill_box(FIRST, SIZE))
    assert not masks["cracks", "b.png"].any()
    with pytest.raises(RequestError, match="crazing is neither a folder of the export nor a category in it"):
        imported(raw, class_of_folder={"crazing": "cracks"})


def test_a_category_may_be_sent_to_another_class(raw, imported):
    photo(raw / "cracks/train/a.png")
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, FIRST), shape(2, 1, SECOND, 2)], ((1, "cracks"), (2, "joint")))
    masks, _, _ = imported(raw, class_of_folder={"joint": "taping"})
    assert np.array_equal(masks["cracks", "a.png"], fill_box(FIRST, SIZE))
    assert np.array_equal(masks["taping", "a.png"], fill_box(SECOND, SIZE))


@pytest.mark.parametrize(
    ("category", "class_name", "called"),
    [
        ("Cracks", "cracks", True), ("crack", "cracks", True), ("Wall-Crack", "cracks", True), ("fracture", "cracks", True),
        ("wall", "cracks", False), ("window", "cracks", False), ("crack filler", "cracks", False), ("", "cracks", False),
        ("joint", "taping", True), ("drywall_seams", "taping", True), ("tape line", "taping", True), ("line", "taping", False),
        ("dent", "dents", True), ("crack", "dents", False),
    ],
)  # fmt: skip
def test_a_category_is_called_as_its_class_or_as_the_class_is_prompted(category, class_name, called):
    assert is_called(category, class_name) == called


def test_sideways_photos_follow_the_size_and_a_word(raw, imported):
    photo(raw / "cracks/train/a.png", 0, (30, 40), orientation=6)  # shown 40 high, 30 wide
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, [0, 0, 10, 4])])
    masks, report, _ = imported(raw)
    assert np.array_equal(masks["cracks", "a.png"], np.rot90(fill_box([0, 0, 10, 4], SIZE), -1))
    assert "drawn on the photo as it is stored (EXIF orientation 6); turned with it" in report.problems[0].reason


@pytest.mark.parametrize(("exif", "wanted"), [(None, [0, 0, 10, 4]), ("upright", [0, 0, 10, 4]), ("stored", [20, 26, 10, 4])])
def test_square_and_upturned_photos_count_as_upright_unless_told(exif, wanted, raw, imported):
    photo(raw / "cracks/train/a.png", 0, (30, 30), orientation=3)
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, [0, 0, 10, 4])], width=30)
    masks, report, _ = imported(raw, exif=exif)
    assert np.array_equal(masks["cracks", "a.png"], fill_box(wanted, (30, 30)))
    assert [problem.action for problem in report.problems] == {None: ["noted"], "upright": [], "stored": ["repaired"]}[exif]


def test_a_photo_whose_every_annotation_was_refused_waits_without_a_label(raw, imported):
    for seed, name in enumerate("abcd"):
        photo(raw / f"cracks/train/{name}.png", seed)
    bad, stray, speck = (
        {"segmentation": [[1, 1]], "bbox": None},
        {"category_id": 9},
        {"segmentation": [], "bbox": [1, 1, 0.4, 0.4]},
    )
    annotations = [shape(1, 1, FIRST, **bad), shape(2, 2, FIRST, **stray), shape(3, 4, FIRST, **speck)]
    write(raw / "cracks/train", ["a.png", "b.png", "c.png", "d.png"], annotations)
    masks, report, store = imported(raw)
    assert [masks["cracks", name] is None for name in ("a.png", "b.png", "c.png", "d.png")] == [True, True, False, True]
    assert not masks["cracks", "c.png"].any()  # nobody drew anything there: nothing is there
    assert (report.rows[0]["no_label_yet"], report.rows[0]["unlabelled_images"]) == (3, 1)
    assert len(reasons(report, "refused")) == 3
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, FIRST)])
    assert np.array_equal(imported(raw)[0]["cracks", "a.png"], fill_box(FIRST, SIZE))  # the mended export fills it
    assert [sample.revision for sample in store.samples()] == [1, 0, 1, 0]


def test_specks_beside_a_real_annotation_are_one_line(raw, imported):
    photo(raw / "cracks/train/a.png")
    specks = [shape(n, 1, [n, n, 0.5, 0.5], segmentation=[], bbox=[n, n, 0.4, 0.4]) for n in range(2, 9)]
    write(raw / "cracks/train", ["a.png"], [shape(1, 1, FIRST), *specks])
    masks, report, _ = imported(raw)
    assert np.array_equal(masks["cracks", "a.png"], fill_box(FIRST, SIZE))
    assert [(problem.action, problem.item) for problem in report.problems] == [("noted", "7 annotations")]


def test_folders_files_and_names_in_capitals_in_a_nested_archive(raw, imported, tmp_path):
    photo(raw / "Export/CRACKS/Train/images/A.PNG")
    write(raw / "Export/CRACKS/Train", ["images\\a.png"], [shape(1, 1, FIRST)], name="_Annotations.COCO.JSON")
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for path in raw.rglob("*.*"):
            archive.write(path, path.relative_to(raw.parent))
    masks, report, _ = imported(tmp_path / "raw.zip")
    assert np.array_equal(masks["cracks", "images\\a.png"], fill_box(FIRST, SIZE))
    assert report.problems == []
    assert report.raw_dir == str(tmp_path / "raw.zip")


def test_ids_are_read_however_they_are_written(raw, imported):
    photo(raw / "cracks/train/a.png")
    write(raw / "cracks/train", ["a.png"], [shape("7", "1", FIRST, 1.0), shape(7.0, 1.0, SECOND, "1")])
    masks, report, _ = imported(raw)
    assert np.array_equal(masks["cracks", "a.png"], BOTH)
    assert "both were kept" in report.problems[0].reason
