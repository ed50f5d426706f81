import io

import numpy as np
import pytest
from PIL import Image

from core.errors import PhotoError
from core.photos import looks_like_picture, photo_size_hw, read_photo


def encoded(image: Image.Image, form: str = "PNG", **keywords) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **keywords)
    return buffer.getvalue()


GREY = np.full((4, 6), 100, np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(Image.fromarray(GREY)), id="grey"),
        pytest.param(encoded(Image.fromarray(GREY.astype(np.uint16) * 257)), id="16-bit"),
        pytest.param(encoded(Image.fromarray(GREY).convert("P")), id="palette"),
        pytest.param(encoded(Image.fromarray(GREY).convert("RGBA")), id="alpha"),
        pytest.param(encoded(Image.fromarray(GREY).convert("RGB").convert("CMYK"), "JPEG", quality=100), id="cmyk"),
        pytest.param(encoded(Image.fromarray(GREY), "BMP"), id="bmp"),
        pytest.param(encoded(Image.fromarray(GREY), "GIF"), id="gif"),
        pytest.param(encoded(Image.fromarray(GREY).convert("RGB"), "HEIF", quality=100), id="heic"),
        pytest.param(encoded(Image.fromarray(GREY).convert("RGB"), "AVIF", quality=100), id="avif"),
    ],
)
def test_every_kind_becomes_rgb(content):
    photo = read_photo(content)
    assert (photo.shape, photo.dtype) == ((4, 6, 3), np.uint8)
    assert np.abs(photo.astype(int) - 100).max() <= 2


def test_transparency_lies_on_white():
    assert (read_photo(encoded(Image.new("RGBA", (3, 3), (10, 10, 10, 0)))) == 255).all()


def test_one_pixel_is_a_photo():
    assert read_photo(encoded(Image.new("RGB", (1, 1), "red"))).tolist() == [[[255, 0, 0]]]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (20, 10)).save(path, exif=exif)
    assert read_photo(path).shape == (20, 10, 3)
    assert photo_size_hw(path) == (20, 10)
    turned = tmp_path / "phone.heic"
    Image.new("RGB", (20, 10)).save(turned, "HEIF", exif=exif.tobytes())
    assert read_photo(turned).shape == (20, 10, 3)
    assert photo_size_hw(turned) == (20, 10)


def test_a_cameras_raw_file_is_not_read_by_its_preview(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "IMG_1.DNG", "TIFF")
    with pytest.raises(PhotoError, match=r"IMG_1.DNG is of a kind that this tool does not read"):
        read_photo(tmp_path / "IMG_1.DNG")


@pytest.mark.parametrize(
    ("name", "content", "is_one"),
    [
        ("a.HEIC", b"", True),
        ("a.dng", b"", True),
        ("a.svg", b"<svg/>", True),
        ("photo", encoded(Image.new("L", (2, 2))), True),
        ("a.tga.bak", encoded(Image.new("L", (2, 2)), "GIF"), True),
        ("notes.txt", b"wall", False),
        ("Thumbs.db", b"", False),
    ],
)
def test_pictures_are_told_by_suffix_or_content(name, content, is_one, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert looks_like_picture(tmp_path / name) == is_one


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "empty", id="zero-bytes"),
        pytest.param(b"not a picture", "not a picture", id="text"),
        pytest.param(encoded(Image.effect_noise((64, 64), 50), "JPEG")[:400], "damaged", id="truncated"),
        pytest.param(encoded(Image.new("1", (20_000, 10_000))), "200 megapixels, the limit is", id="200-megapixel"),
    ],
)
def test_bad_photos_are_refused_in_a_sentence(content, words):
    with pytest.raises(PhotoError, match=words):
        read_photo(content, "wall.jpg")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(PhotoError, match=r"gone.jpg cannot be read"):
        read_photo(tmp_path / "gone.jpg")
