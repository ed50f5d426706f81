from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from core.masks.mask import encode_rle
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import AugmentSettings
from core.train.augment import Augment, View
from core.train.dataset import PromptedDataset, collate
from core.train.example import Example

GEOMETRY = AugmentSettings(flip=True, quarter_turns=True, rotate_degrees=30, crop_min=0.4)


@pytest.fixture
def example(tmp_path):
    photo = np.zeros((60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    photo[mask] = 255  # the photo shows its own mask
    path = tmp_path / "wall.png"
    Image.fromarray(photo).save(path)
    return Example(1, "wall.png", "cracks", path, encode_rle(mask))


def dataset(example, copies=1, **keywords):
    return PromptedDataset([example] * copies, PUBLISHED_SYNONYMS, 64, **{"train": True, **keywords})


def test_photo_and_mask_move_together(example):
    data = dataset(example, augment=GEOMETRY)
    shapes = set()
    for epoch in range(1, 12):
        data.epoch = epoch
        item = data[0]
        assert item.prompts[0] in PUBLISHED_SYNONYMS["cracks"]
        assert ((item.photos[0] >= 0.5) == (item.masks >= 0.5)).float().mean() > 0.97
        shapes.add(item.masks.numpy().tobytes())
    assert len(shapes) > 8


def test_items_depend_on_seed_epoch_and_photo_alone(example):
    augment = AugmentSettings(crop_min=0.5, colour=0.5, noise=0.1)
    first, second = dataset(example, 3, augment=augment), dataset(example, 3, augment=augment)
    torch.rand(5)
    second[0], second[1]
    assert torch.equal(first[2].photos, second[2].photos)
    second.epoch = 2
    assert not torch.equal(first[2].photos, second[2].photos)


def test_another_class_is_asked_for_where_the_photo_has_no_label_of_it(example):
    data = dataset(example, 200, others=0.3)
    items = [data[index] for index in range(200)]
    asked = [item.prompts[0] in PUBLISHED_SYNONYMS["taping"] for item in items]
    assert 0.2 < np.mean(asked) < 0.4
    for item, other in zip(items, asked, strict=True):
        assert bool(item.masks.any()) != other
    both = PromptedDataset([example, replace(example, class_name="taping")] * 20, PUBLISHED_SYNONYMS, 64, train=True, others=0.9)
    for index in range(40):
        assert both[index].prompts[0] in PUBLISHED_SYNONYMS[both.examples[index].class_name]
    assert dataset(example, train=False, others=0.9)[0].prompts == ["segment crack"]


def test_kept_views_are_taken_in_turn(example):
    data = dataset(example, augment=GEOMETRY, views=2)
    keys = []
    for data.epoch in (1, 2, 3, 4):
        keys.append(data.feature_key(0))
    assert keys[0] == keys[2] != keys[1] == keys[3]
    assert dataset(example).feature_key(0) == dataset(example, train=False).feature_key(0)  # no augmentation, one view


def test_evaluation_takes_the_first_prompt_and_the_whole_photo(example):
    item = dataset(example, train=False, augment=GEOMETRY)[0]
    assert item.prompts == ["segment crack"]
    assert item.masks.mean().item() == pytest.approx(20 * 30 / (60 * 80), abs=0.01)
    assert item.photos.shape == (3, 64, 64)


def test_batches_leave_out_photos_nobody_reads(example):
    data = dataset(example, 2)
    data.need_photos = False
    batch = collate([data[0], data[1]])
    assert batch.photos is None
    assert batch.activations is None
    assert batch.masks.shape == (2, 64, 64)
    assert len(batch.prompts) == 2


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(View(), [[1, 2], [3, 4]], id="as-it-is"),
        pytest.param(View(mirrored=True), [[2, 1], [4, 3]], id="mirrored"),
        pytest.param(View(turns=1), [[2, 4], [1, 3]], id="quarter-turn-counter-clockwise"),
        pytest.param(View(turns=2), [[4, 3], [2, 1]], id="half-turn"),
        pytest.param(View(1.0, 1.0, 0.5), [[4, 4], [4, 4]], id="lower-right-quarter"),
    ],
)
def test_views_place_pixels_exactly(view, expected):
    picture = np.array([[1, 2], [3, 4]], np.uint8)
    size = 2 if view.side is None else 1
    placed = view.place(picture, size)
    assert placed.tolist() == expected if size == 2 else placed.item() == expected[0][0]


def test_crops_are_square_and_lie_inside_the_photo():
    ramp = np.tile(np.arange(100, dtype=np.uint8), (40, 1))  # 100 wide, 40 high
    augment = Augment(AugmentSettings(crop_min=0.5))
    for seed in range(30):
        view = augment.draw(np.random.default_rng(seed))
        placed = view.place(ramp, 40).astype(int)
        width = placed[0, -1] - placed[0, 0]  # columns seen, one grey value each
        assert width == pytest.approx(40 * view.side, abs=2)
        assert (placed == placed[0]).all()


def test_free_rotation_turns_about_the_centre():
    mask = np.zeros((65, 65), np.uint8)
    mask[30:35, 10:55] = 255
    turned = View(degrees=90.0).place(mask, 65) >= 128
    assert np.array_equal(turned, View(turns=1).place(mask, 65) >= 128)


def test_light_leaves_geometry_alone_and_repeats():
    augment = Augment(AugmentSettings(colour=0.5, blur=1.0, noise=0.1))
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    changed = 0
    for seed in range(20):
        view = augment.draw(np.random.default_rng(seed))
        assert (view.side, view.mirrored, view.turns, view.degrees) == (None, False, 0, 0)
        lit = augment.light(picture, view)
        assert lit.shape == picture.shape
        assert np.array_equal(lit, augment.light(picture, view))
        changed += not np.array_equal(lit, picture)
    assert changed >= 14


@pytest.mark.parametrize(
    ("settings", "differs"),
    [({"colour": 0.5}, "mean"), ({"noise": 0.2}, "grain"), ({"blur": 3.0}, "grain")],
    ids=["colour", "noise", "blur"],
)
def test_each_light_setting_changes_what_it_is_called_after(settings, differs):
    random = np.random.default_rng(0)
    picture = random.normal(128, 12, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    augment = Augment(AugmentSettings(**settings))
    seen = [augment.light(picture, augment.draw(np.random.default_rng(seed))).astype(float) for seed in range(20)]
    means, grains = [lit.mean() for lit in seen], [lit.std() for lit in seen]
    if differs == "mean":
        assert np.ptp(means) > 20
    else:
        assert np.ptp(means) < 3
        assert max(abs(grain - picture.std()) for grain in grains) > 4


def test_nothing_switched_on_changes_nothing(example):
    assert not AugmentSettings().is_on
    photo = dataset(example)[0].photos
    assert torch.equal(photo, dataset(example, train=False)[0].photos)
