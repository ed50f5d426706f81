"""Augmentation of photo and mask together: geometry moves both, light and noise touch the photo alone.

What is random about an item is drawn beforehand, as a `View`, from a generator of its own. So a view can be repeated: by
another process, after a crash, for the mask alone, or from a cache of what the model saw.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from core.settings import AugmentSettings

Picture = NDArray[np.uint8]

_TURNS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


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

    def place(self, picture: Picture, size_px: int) -> Picture:
        """picture: (H, W) or (H, W, 3) uint8. Returns (S, S) or (S, S, 3): cropped, resized, mirrored, turned."""
        height, width = picture.shape[:2]
        side = None if self.side is None else self.side * min(height, width)
        left, top = (0.0, 0.0) if side is None else (self.left * (width - side), self.top * (height - side))
        box = (left, top, width, height) if side is None else (left, top, left + side, top + side)
        placed = Image.fromarray(picture).resize((size_px, size_px), Image.Resampling.BILINEAR, box=box)
        if self.mirrored:
            placed = placed.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.turns:
            placed = placed.transpose(_TURNS[self.turns])
        if self.degrees:
            placed = placed.rotate(self.degrees, Image.Resampling.BILINEAR)
        return np.array(placed)


class Augment:
    """Draws views and changes the light of photos, as the settings say."""

    def __init__(self, settings: AugmentSettings) -> None:
        self.settings = settings

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

    def light(self, picture: Picture, view: View) -> Picture:
        """picture: (S, S, 3) uint8; returns the same in another light, from the view's own seed: brightness, contrast and
        saturation in four of five views, blur and noise in three of ten each."""
        random, settings, lit = np.random.default_rng(view.light_seed), self.settings, Image.fromarray(picture)
        if settings.colour and random.random() < 0.8:
            for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
                lit = change(lit).enhance(random.uniform(1 - settings.colour, 1 + settings.colour))
        if settings.blur and random.random() < 0.3:
            lit = lit.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.3 + settings.blur)))
        if settings.noise and random.random() < 0.3:
            grain = 255 * settings.noise * random.standard_normal(picture.shape, np.float32)
            return np.clip(np.asarray(lit) + grain, 0, 255).astype(np.uint8)
        return np.array(lit)
