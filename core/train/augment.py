"""Augmentation of photo and mask together: geometry moves both, light and noise touch the photo alone.

What is random about an item is drawn beforehand, as a `View`, from a generator of its own. So a view can be repeated: by
another process, after a crash, for the mask alone, or from a cache of what the model saw.
"""

from dataclasses import dataclass

import numpy as np
import torch
from kornia.augmentation import ColorJiggle, ImageSequential, RandomGaussianBlur, RandomGaussianNoise
from kornia.geometry import rotate
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.settings import AugmentSettings


@dataclass(frozen=True)
class View:
    """One way of looking at a photo. side: of a square crop, as a share of the photo's shorter side, or None for the whole
    photo, squashed to a square as CLIPSeg sees it; left, top: where the crop lies in what is left over; turns: by 90 degrees."""

    left: float = 0.0
    top: float = 0.0
    side: float | None = None
    mirrored: bool = False
    turns: int = 0
    degrees: float = 0.0
    light_seed: int = 0

    def place(self, picture: NDArray[np.uint8], size_px: int) -> Tensor:
        """picture: (H, W) or (H, W, 3) uint8. Returns (1 or 3, S, S) float in [0, 1]: cropped, resized, mirrored, turned."""
        height, width = picture.shape[:2]
        side = None if self.side is None else self.side * min(height, width)
        left, top = (0.0, 0.0) if side is None else (self.left * (width - side), self.top * (height - side))
        box = (left, top, width, height) if side is None else (left, top, left + side, top + side)
        small = Image.fromarray(picture).resize((size_px, size_px), Image.Resampling.BILINEAR, box=box)
        pixels = torch.from_numpy(np.array(small)).view(size_px, size_px, -1).permute(2, 0, 1).float() / 255
        if self.mirrored:
            pixels = pixels.flip(-1)
        pixels = pixels.rot90(self.turns, (-2, -1))
        if self.degrees:
            pixels = rotate(pixels[None], torch.tensor([self.degrees]), padding_mode="zeros")[0]
        return pixels.contiguous()


class Augment:
    """Draws views and changes the light of photos, as the settings say."""

    def __init__(self, settings: AugmentSettings) -> None:
        self.settings = settings
        steps: list[torch.nn.Module] = []
        if settings.colour:
            strength = settings.colour
            steps.append(ColorJiggle(strength, strength, strength, strength / 5, p=0.8))
        if settings.blur:
            steps.append(RandomGaussianBlur((5, 5), (0.3, 0.3 + settings.blur), p=0.3))
        if settings.noise:
            steps.append(RandomGaussianNoise(std=settings.noise, p=0.3))
        self._light = ImageSequential(*steps) if steps else None

    def draw(self, random: np.random.Generator) -> View:
        """A view as the settings allow; the same generator state gives the same view."""
        s = self.settings
        side = float(random.uniform(s.crop_min, 1.0)) if s.crop_min < 1 else None
        left, top = random.uniform(0, 1, 2)
        turn_by = 4 if s.quarter_turns else 1
        half_turn = 2 * int(random.integers(2)) if s.flip and not s.quarter_turns else 0
        return View(
            float(left),
            float(top),
            side,
            bool(random.integers(2)) and s.flip,
            half_turn or int(random.integers(turn_by)),
            float(random.uniform(-s.rotate_degrees, s.rotate_degrees)) if s.rotate_degrees and random.random() < 0.5 else 0.0,
            int(random.integers(2**62)),
        )

    def light(self, pixels: Tensor, view: View) -> Tensor:
        """pixels: (3, S, S) float in [0, 1]; returns the same photo in another light, from the view's own seed."""
        if self._light is None:
            return pixels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(view.light_seed)
            return self._light(pixels[None])[0].clamp(0, 1)
