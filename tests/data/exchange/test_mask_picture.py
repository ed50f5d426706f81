"""What PNG files say about masks: the unmistakable cases by value, the others refused with what was found."""

import numpy as np
import pytest
from PIL import Image

from core.errors import AnnotationError
from data.exchange.mask_folder import read
from data.exchange.mask_picture import read_mask_picture

TRUE = np.zeros((12, 16), bool)
TRUE[3:6, 2:11] = True
INDEX = TRUE.astype(np.uint8)
WITH_TWO = INDEX.copy()
WITH_TWO[8:10, 4:9] = 2


def palette(indexes, *colours):
    image = Image.fromarray(indexes, "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def rgba(mask, on, off=(0, 0, 0, 0)):
    return Image.fromarray(np.where(mask[..., None], np.array(on, np.uint8), np.array(off, np.uint8)))


def transparent(image, value):
    image.info["transparency"] = value
    return image


def soft(mask):
    """As resizing leaves it: twice the size and back, with the edges in between."""
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize((64, 48), Image.Resampling.BICUBIC)
    return image.resize((16, 12), Image.Resampling.LANCZOS)


BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (128, 0, 0)
JET = Image.fromarray(np.where(TRUE[..., None], np.array((253, 231, 37), np.uint8), np.array((68, 1, 84), np.uint8)))
BIG = np.kron(TRUE, np.ones((8, 8), bool))


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.fromarray(INDEX * 255), id="grey"),
        pytest.param(Image.fromarray(TRUE), id="bilevel"),
        pytest.param(Image.fromarray(INDEX), id="ones"),
        pytest.param(Image.fromarray(INDEX * 76), id="one-grey-on-black"),
        pytest.param(Image.fromarray(INDEX.astype(np.uint16) * 65535), id="16-bit"),
        pytest.param(Image.fromarray(INDEX.astype(np.uint16)), id="16-bit-ones"),
        pytest.param(palette(INDEX, BLACK, WHITE), id="palette"),
        pytest.param(palette(1 - INDEX, WHITE, BLACK), id="inverted-palette"),
        pytest.param(palette(INDEX * 5, BLACK, BLACK, BLACK, BLACK, BLACK, WHITE), id="palette-white-at-5"),
        pytest.param(palette(WITH_TWO, BLACK, WHITE, BLACK), id="palette-with-two-blacks"),
        pytest.param(palette(INDEX, BLACK, RED), id="palette-of-voc"),
        pytest.param(transparent(palette(INDEX, BLACK, RED), 0), id="palette-with-transparency"),
        pytest.param(Image.fromarray(INDEX * 255).convert("RGB"), id="rgb-grey"),
        pytest.param(rgba(TRUE, (255, 0, 0, 255), (0, 0, 0, 255)).convert("RGB"), id="red-on-black"),
        pytest.param(rgba(TRUE, (255, 255, 255, 255), (0, 0, 0, 255)), id="rgba-opaque"),
        pytest.param(rgba(TRUE, (255, 255, 255, 255), (255, 255, 255, 0)), id="alpha-over-white"),
        pytest.param(rgba(TRUE, (0, 0, 0, 255)), id="alpha-over-black"),
        pytest.param(rgba(TRUE, (200, 30, 30, 128)), id="half-transparent-red"),
        pytest.param(Image.merge("LA", (Image.new("L", (16, 12), 255), Image.fromarray(INDEX * 255))), id="grey-with-alpha"),
    ],
)
def test_unmistakable_masks_are_taken(image, tmp_path):
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_mask_picture(tmp_path / "a.png").mask, TRUE)


@pytest.mark.parametrize(
    ("image", "share"),
    [
        (Image.new("L", (4, 3)), 0),
        (Image.new("1", (4, 3)), 0),
        (Image.new("RGBA", (4, 3)), 0),
        (palette(np.zeros((3, 4), np.uint8), BLACK, WHITE), 0),
        (Image.new("RGBA", (4, 3), (255, 255, 255, 0)), 0),
        (Image.new("L", (4, 3), 255), 1),
        (Image.new("1", (4, 3), 1), 1),
        (Image.new("RGBA", (4, 3), "white"), 1),
    ],
)
def test_one_value_alone_is_empty_or_full(image, share, tmp_path):
    image.save(tmp_path / "a.png")
    assert read_mask_picture(tmp_path / "a.png").mask.mean() == share


@pytest.mark.parametrize("image", [soft(BIG), soft(BIG).convert("RGB"), soft(BIG).convert("LA")])
def test_soft_edges_are_cut_at_half(image, tmp_path):
    image.resize((128, 96), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    grey = np.array(Image.open(tmp_path / "a.png").convert("L"))
    assert len(np.unique(grey)) > 20
    assert np.array_equal(read_mask_picture(tmp_path / "a.png").mask, grey >= 128)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param(Image.fromarray(WITH_TWO), "mode L with the values 0, 1, 2,", id="class-indexes"),
        pytest.param(palette(WITH_TWO, BLACK, RED, (0, 128, 0)), "0 #000000, 1 #800000, 2 #008000", id="voc-indexes"),
        pytest.param(Image.fromarray(np.where(WITH_TWO == 2, 255, WITH_TWO).astype(np.uint8)), "0, 1, 255", id="ignore"),
        pytest.param(Image.fromarray((WITH_TWO // 2 * 127 + WITH_TWO).astype(np.uint8)), "0, 1, 129", id="third-value"),
        pytest.param(palette(np.where(TRUE, 255, 0).astype(np.uint8), *[BLACK] * 255, (224, 224, 192)), "255 #e0e0c0", id="void"),
        pytest.param(Image.fromarray(INDEX + 1), "the values 1, 2,", id="no-background"),
        pytest.param(Image.fromarray(np.where(TRUE, 255, 128).astype(np.uint8)), "128, 255", id="grey-and-white"),
        pytest.param(Image.new("L", (4, 3), 128), "the values 128,", id="all-grey"),
        pytest.param(Image.new("L", (4, 3), 1), "the values 1,", id="all-ones"),
        pytest.param(Image.new("RGB", (4, 3), "red"), "the colours #ff0000,", id="all-red"),
        pytest.param(JET, "the colours #440154, #fde725,", id="colour-map"),
        pytest.param(Image.linear_gradient("L"), "and 250 more", id="probabilities"),
        pytest.param(rgba(TRUE, (0, 0, 0, 255), (255, 255, 255, 0)), "the alpha values 0, 255", id="black-on-hidden-white"),
        pytest.param(Image.merge("RGBA", (*JET.split(), Image.fromarray(255 - INDEX * 200))), "alpha values 55, 255", id="photo"),
        pytest.param(Image.fromarray(INDEX.astype(np.uint16) * 257 + 3), "the values 3, 260,", id="16-bit-no-zero"),
    ],
)
def test_the_others_are_refused_with_what_was_found(image, words, tmp_path):
    image.save(tmp_path / "a.png")
    with pytest.raises(AnnotationError, match="save it as one grey channel") as error:
        read_mask_picture(tmp_path / "a.png")
    assert words in str(error.value)


def test_a_trimap_is_no_soft_edge(tmp_path):
    trimap = np.where(BIG, 255, 0).astype(np.uint8)
    trimap[:40, :40][trimap[:40, :40] == 0] = 128
    Image.fromarray(trimap).save(tmp_path / "a.png")
    with pytest.raises(AnnotationError, match="0, 128, 255"):
        read_mask_picture(tmp_path / "a.png")


def test_indexes_of_many_classes_are_no_soft_edge(tmp_path):
    indexes = np.repeat(np.array([0, 40, 80, 120, 160, 200, 255], np.uint8), 60).reshape(-1, 1) * np.ones((1, 40), np.uint8)
    indexes = np.vstack([np.zeros((2000, 40), np.uint8), indexes, np.full((400, 40), 255, np.uint8)])
    Image.fromarray(indexes).save(tmp_path / "a.png")
    with pytest.raises(AnnotationError, match="and 1 more"):
        read_mask_picture(tmp_path / "a.png")


def test_a_jpeg_called_png_and_a_cut_file_are_named(tmp_path):
    Image.fromarray(INDEX * 255).save(tmp_path / "a.png", "JPEG")
    with pytest.raises(AnnotationError, match="it is JPEG inside"):
        read_mask_picture(tmp_path / "a.png")
    Image.effect_noise((64, 64), 50).save(tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:300])
    with pytest.raises(AnnotationError, match="damaged"):
        read_mask_picture(tmp_path / "b.png")


def drawn(incoming):
    """By photo: the mask's pixels, or the words it is refused with."""
    found = {}
    for label in incoming.labels:
        try:
            found[label.file_name] = int(label.draw(label.size_hw).sum())
        except AnnotationError as error:
            found[label.file_name] = str(error)
    return found


def test_an_odd_value_is_taken_and_told_where_it_is_the_only_one_of_its_class(tmp_path):
    for name in ("cracks", "taping"):
        (tmp_path / name).mkdir()
    for stem in ("a", "b"):
        Image.fromarray(INDEX * 2).save(tmp_path / "taping" / f"{stem}.png")
    Image.fromarray(INDEX).save(tmp_path / "cracks" / "c.PNG")
    Image.fromarray(INDEX * 2).save(tmp_path / "cracks" / "d.png")
    incoming = read(tmp_path)
    found = drawn(incoming)
    assert (found["a"], found["b"], found["c"]) == (27, 27, 27)
    assert "value 2, other files of cracks have value 1" in found["d"]
    assert {note.item: note.text for note in incoming.notes} == {
        "a.png": "value 2 on black was taken as the mask",
        "b.png": "value 2 on black was taken as the mask",
        "c.PNG": "ones were taken as the mask, other files of cracks have value 2",
    }


def test_a_mask_of_most_of_the_photo_is_told(tmp_path):
    (tmp_path / "cracks").mkdir()
    Image.fromarray(255 - INDEX * 255).save(tmp_path / "cracks" / "a.png")
    (tmp_path / "cracks" / "a.jpg").write_bytes(b"")
    incoming = read(tmp_path)
    assert "covers 86 % of the photo; if that is the background, invert the file" in incoming.notes[0].text
    assert incoming.not_used[0].item == "a.jpg"
