"""Training items: a photo, a prompt drawn from its class's synonyms, and the mask, as tensors of one size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from core.masks import Mask, Rle, decode_rle
from core.photos import Photo, read_photo


@dataclass(frozen=True)
class Example:
    """One sample as training sees it: where the photo lies, its class, its label."""

    sample_id: int
    name: str
    class_name: str
    photo_path: Path
    rle: Rle

    def read(self) -> tuple[Photo, Mask]:
        """Photo (H, W, 3) uint8 and mask (H, W) bool. Raises PhotoError."""
        return read_photo(self.photo_path), decode_rle(self.rle)


class PromptedDataset(Dataset):
    """Items are (photo (3, S, S) float in [0, 1], prompt, mask (S, S) float in {0, 1}, index).

    What is random (prompt, crop) comes from (seed, epoch, index) alone, so it does not depend on workers or order.
    `train=False` takes the class's first prompt and the whole photo.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        synonyms: dict[str, tuple[str, ...]],
        size_px: int,
        *,
        train: bool,
        crop_min: float = 1.0,
        seed: int = 42,
    ) -> None:
        self.examples, self.synonyms, self.size_px = list(examples), synonyms, size_px
        self.train, self.crop_min, self.seed, self.epoch = train, crop_min, seed, 0

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Tensor, str, Tensor, int]:
        example = self.examples[index]
        photo, mask = example.read()
        height, width = mask.shape
        prompts, box = self.synonyms[example.class_name], (0.0, 0.0, float(width), float(height))
        prompt = prompts[0]
        if self.train:
            random = np.random.default_rng((self.seed, self.epoch, index))
            prompt = prompts[random.integers(len(prompts))]
            share = random.uniform(self.crop_min, 1.0)
            left, top = random.uniform(0, width * (1 - share)), random.uniform(0, height * (1 - share))
            box = (left, top, left + width * share, top + height * share)
        side = (self.size_px, self.size_px)
        small = Image.fromarray(photo).resize(side, Image.Resampling.BILINEAR, box=box)
        coverage = Image.fromarray(mask.astype(np.uint8) * 255).resize(side, Image.Resampling.BILINEAR, box=box)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
        return pixels, prompt, torch.from_numpy(np.array(coverage) >= 128).float(), index


def collate(items: list[tuple[Tensor, str, Tensor, int]]) -> tuple[Tensor, list[str], Tensor, list[int]]:
    """(B, 3, S, S), list[str], (B, S, S), list[int]"""
    photos, prompts, masks, indices = zip(*items, strict=True)
    return torch.stack(photos), list(prompts), torch.stack(masks), list(indices)
