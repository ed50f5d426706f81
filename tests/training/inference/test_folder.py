from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import PhotoError, RequestError
from core.masks.mask import read_mask_png
from core.models.predictor import Predictor
from training.inference.folder import photos_in, score_folder


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 255, (40 + number, 50, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.jpg")
    (tmp_path / "05.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("left alone")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 1])
def test_masks_equal_those_of_single_predictions_and_broken_photos_stop_nothing(folder, tiny_segmenter, workers):
    predictor, prompts = Predictor(tiny_segmenter), ["segment crack", "segment joint tape"]
    results = list(score_folder(photos_in(folder), predictor, prompts, [0.5, 0.5], folder / "out", workers))
    assert [path.name for path, _ in results] == [f"{number:02}.jpg" for number in range(12)]
    assert isinstance(results[5][1], PhotoError)
    assert len(list((folder / "out").iterdir())) == 22
    path, masks = results[7]
    with Image.open(path) as image:
        expected = predictor.predict(np.asarray(image), prompts)
    assert [mask.name for mask in masks] == ["07__segment_crack.png", "07__segment_joint_tape.png"]
    for mask, prediction in zip(masks, expected, strict=True):
        assert np.array_equal(read_mask_png(mask), prediction.mask(0.5))


def test_threads_that_begin_later_have_as_many_cores_as_before(folder, tiny_segmenter):
    def threads_elsewhere():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads(), threads_elsewhere()
    found = score_folder(photos_in(folder), Predictor(tiny_segmenter), ["segment crack"], [0.5], folder / "out", workers=0)
    next(found)
    found.close()  # left in the middle
    assert (torch.get_num_threads(), threads_elsewhere()) == before


def test_a_folder_without_pictures_cannot_be_scored(tmp_path):
    (tmp_path / "notes.txt").write_text("a wall")
    with pytest.raises(RequestError, match="holds no photos"):
        photos_in(tmp_path)


def test_every_picture_is_read_or_named_and_every_mask_is_a_file(tmp_path, tiny_segmenter):
    photo = Image.effect_noise((40, 30), 90).convert("RGB")
    for name in ("a.jpg", "a.png", "A.gif", "b.HEIC", "IMG_3.dng"):
        photo.save(tmp_path / name, {"HEIC": "HEIF", "dng": "TIFF"}.get(name.rpartition(".")[2]))
    (tmp_path / "plan.svg").write_text("<svg/>")
    (tmp_path / "notes.txt").write_text("a wall")
    long = "segment crack " * 6
    prompts = ["segment crack", "segment crack!", "Segment crack", long + "in plaster", long + "in concrete"]
    results = list(score_folder(photos_in(tmp_path), Predictor(tiny_segmenter), prompts, [0.5] * 5, tmp_path / "out", workers=0))
    refused = [str(found) for _, found in results if isinstance(found, PhotoError)]
    assert [words.partition(" ")[0] for words in refused] == ["IMG_3.dng", "plan.svg"]
    masks = [mask for _, found in results if not isinstance(found, PhotoError) for mask in found]
    assert len(masks) == len(list((tmp_path / "out").iterdir())) == 4 * 5
    assert len({mask.name.casefold() for mask in masks}) == 20
    assert next(found[0].name for path, found in results if path.name == "b.HEIC") == "b__segment_crack.png"
