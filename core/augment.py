"""Augmentation of photo and mask together: geometry moves both, light and noise touch the photo alone.

The crop is cut per item, at the photo's own resolution (`core.dataset`); everything here runs on the batch, by kornia.
"""

import torch
from kornia.augmentation import (
    AugmentationSequential,
    ColorJiggle,
    RandomAffine,
    RandomGaussianBlur,
    RandomGaussianNoise,
    RandomHorizontalFlip,
    RandomVerticalFlip,
)
from torch import Tensor

from core.settings import AugmentSettings


class Augment:
    """Call with photos (B, 3, H, W) float in [0, 1] and masks (B, H, W) float in {0, 1}; returns both, same shapes."""

    def __init__(self, config: AugmentSettings) -> None:
        steps = []
        if config.flip:
            steps += [RandomHorizontalFlip(p=0.5), RandomVerticalFlip(p=0.5)]
        if config.rotate_degrees:
            steps.append(RandomAffine(config.rotate_degrees, padding_mode="zeros", p=0.5))
        if config.colour:
            jitter = config.colour
            steps.append(ColorJiggle(jitter, jitter, jitter, jitter / 5, p=0.8))
        if config.blur:
            steps.append(RandomGaussianBlur((5, 5), (0.3, 0.3 + config.blur), p=0.3))
        if config.noise:
            steps.append(RandomGaussianNoise(std=config.noise, p=0.3))
        self._quarter_turns = config.quarter_turns
        self._steps = AugmentationSequential(*steps, data_keys=["input", "mask"]) if steps else None

    def __call__(self, photos: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        if self._quarter_turns:
            turns = int(torch.randint(4, ()))
            photos, masks = photos.rot90(turns, (-2, -1)), masks.rot90(turns, (-2, -1))
        if self._steps is not None:
            photos, moved = self._steps(photos, masks[:, None])
            masks = (moved[:, 0] >= 0.5).float()
        return photos.clamp(0, 1), masks
