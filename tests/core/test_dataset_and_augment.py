import numpy as np
import pytest
import torch
from PIL import Image

from core.augment import Augment
from core.dataset import Example, PromptedDataset
from core.masks import encode_rle
from core.prompts import PUBLISHED_SYNONYMS
from core.settings import AugmentSettings


@pytest.fixture
def example(tmp_path):
    photo = np.zeros((60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    photo[mask] = 255  # the photo shows its own mask
    path = tmp_path / "wall.png"
    Image.fromarray(photo).save(path)
    return Example(1, "wall.png", "cracks", path, encode_rle(mask))


def test_photo_and_mask_are_cropped_together(example):
    dataset = PromptedDataset([example], PUBLISHED_SYNONYMS, 64, train=True, crop_min=0.4)
    for epoch in range(5):
        dataset.epoch = epoch
        photo, prompt, mask, _ = dataset[0]
        assert prompt in PUBLISHED_SYNONYMS["cracks"]
        assert ((photo[0] >= 0.5) == mask.bool()).float().mean() > 0.98


def test_items_depend_on_seed_epoch_and_index_alone(example):
    first = PromptedDataset([example] * 3, PUBLISHED_SYNONYMS, 32, train=True, crop_min=0.5)
    second = PromptedDataset([example] * 3, PUBLISHED_SYNONYMS, 32, train=True, crop_min=0.5)
    second[0], second[1]
    assert torch.equal(first[2][0], second[2][0])
    second.epoch = 1
    assert not torch.equal(first[2][0], second[2][0])


def test_evaluation_takes_the_first_prompt_and_the_whole_photo(example):
    photo, prompt, mask, _ = PromptedDataset([example], PUBLISHED_SYNONYMS, 64, train=False)[0]
    assert prompt == "segment crack"
    assert mask.mean().item() == pytest.approx(20 * 30 / (60 * 80), abs=0.01)
    assert photo.shape == (3, 64, 64)


def test_every_augmentation_moves_photo_and_mask_alike():
    torch.manual_seed(0)
    masks = torch.zeros(4, 48, 48)
    masks[:, 8:20, 10:40] = 1
    photos = masks[:, None].repeat(1, 3, 1, 1)
    augment = Augment(AugmentSettings(flip=True, quarter_turns=True, rotate_degrees=30))
    moved = 0
    for _ in range(10):
        photo, mask = augment(photos, masks)
        assert ((photo[:, 0] >= 0.5) == mask.bool()).float().mean() > 0.97
        moved += not torch.equal(mask, masks)
    assert moved >= 8


def test_light_and_noise_leave_the_mask_alone():
    masks = (torch.rand(2, 32, 32) > 0.5).float()
    photos = torch.rand(2, 3, 32, 32)
    photo, mask = Augment(AugmentSettings(colour=0.5, blur=1.0, noise=0.1))(photos, masks)
    assert torch.equal(mask, masks)
    assert not torch.equal(photo, photos)
    assert 0 <= photo.min() <= photo.max() <= 1


def test_nothing_switched_on_changes_nothing():
    photos, masks = torch.rand(2, 3, 8, 8), torch.zeros(2, 8, 8)
    photo, mask = Augment(AugmentSettings())(photos, masks)
    assert torch.equal(photo, photos)
    assert torch.equal(mask, masks)
