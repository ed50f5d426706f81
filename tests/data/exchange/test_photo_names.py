from unicodedata import normalize

import pytest
from PIL import Image

from core.errors import AnnotationError
from data.exchange.photo_names import FileFinder, Names, PhotoFinder, export_names, picture_stem

COMPOSED, PARTED = normalize("NFC", "Wände.jpg"), normalize("NFD", "Wände.jpg")
SPELLINGS = [
    pytest.param("a.jpg", "a.jpg", id="as-it-is"),
    pytest.param("images/a.jpg", "images\\a.jpg", id="backslash"),
    pytest.param("a.jpg", "images\\a.jpg", id="folder-too-many"),
    pytest.param("images/a.jpg", "a.jpg", id="folder-missing"),
    pytest.param("images/a.jpg", "./images/a.jpg", id="dot"),
    pytest.param("C.JPG", "C.jpg", id="suffix-in-capitals"),
    pytest.param("Photos/c.jpg", "photos/C.JPG", id="folder-in-capitals"),
    pytest.param(PARTED, COMPOSED, id="letters-parted-on-disk"),
    pytest.param(COMPOSED, PARTED, id="letters-parted-in-the-file"),
    pytest.param(PARTED.upper(), COMPOSED, id="parted-and-in-capitals"),
    pytest.param("a.b.c.png", "A.b.c.png", id="dots"),
]


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3)).save(path, format="PNG")
    return path


@pytest.mark.parametrize(("stored", "name"), SPELLINGS)
def test_files_are_found_however_their_names_are_spelt(stored, name, tmp_path):
    file = touch(tmp_path / stored)
    touch(tmp_path / "other.jpg")
    assert FileFinder(tmp_path).find(name).samefile(file)
    assert FileFinder(tmp_path).beside(name).samefile(file)


def test_a_name_in_another_case_must_mean_one_file(tmp_path):
    lower, upper = touch(tmp_path / "c.jpg"), touch(tmp_path / "C.jpg")
    if lower.samefile(upper):
        pytest.skip("this file system does not tell c.jpg from C.jpg")
    finder = FileFinder(tmp_path)
    assert finder.find("c.jpg") == lower
    assert finder.find("C.jpg") == upper
    with pytest.raises(AnnotationError, match=r"2 photos are called C\.JPG"):
        finder.find("C.JPG")
    for sub in "xy":
        touch(tmp_path / sub / "d.jpg")
    assert FileFinder(tmp_path).find("x\\d.jpg") == tmp_path / "x" / "d.jpg"
    with pytest.raises(AnnotationError, match="2 photos are called"):
        FileFinder(tmp_path).find("d.jpg")


@pytest.mark.parametrize("name", ["../a.jpg", "..\\a.jpg", "/etc/passwd", "C:\\a.jpg", "x/../../a.jpg"])
def test_no_name_leads_out_of_the_folder(name, tmp_path):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "export" / "b.jpg")
    with pytest.raises(AnnotationError, match="leads out of the export"):
        FileFinder(tmp_path / "export").find(name)
    (tmp_path / "export" / "link.jpg").symlink_to(tmp_path / "a.jpg")
    with pytest.raises(AnnotationError, match="is a link out of the export"):
        FileFinder(tmp_path / "export").find("link.jpg")
    with pytest.raises(AnnotationError, match="its file is missing"):
        FileFinder(tmp_path / "export").find("a.jpg")


def test_a_mask_beside_a_photo_is_not_the_photo(tmp_path):
    touch(tmp_path / "a.png")
    assert FileFinder(tmp_path).beside("a.jpg") is None


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.JPG", "a"), ("wall.01", "wall.01"), ("wall.01.jpeg", "wall.01"), ("a", "a"), ("v1.5 wall", "v1.5 wall")],
)
def test_only_a_pictures_suffix_is_no_part_of_the_name(name, stem):
    assert picture_stem(name) == stem


def test_a_stem_that_looks_like_a_whole_name_means_its_own_photo():
    names = Names[int](any_suffix=True)
    names.add("wall.jpg", 1)
    names.add("wall.png.jpg", 2)
    assert (names.find("wall.png"), names.find("wall.jpg"), names.find("wall")) == (2, 1, 1)


def test_photos_of_the_workspace_are_found_however_their_names_are_spelt(store):
    samples = store.samples()
    finder = PhotoFinder(samples)
    assert len(export_names(samples)) >= 10
    for image_hash, name in export_names(samples).items():
        stem = name.rpartition(".")[0]
        for spelling in (name.upper(), f"images\\{name}", f"{stem}.PNG", stem, f"0a1b2c3d-{name}", normalize("NFD", name)):
            assert finder.find(spelling) == image_hash
    with pytest.raises(AnnotationError, match=r"no photo of this workspace is called wall\.02"):
        finder.find("wall.02")
