"""From a photo and sentences to masks: the one way in which page, command line and evaluation predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from core.masks import Mask
from core.model import PromptSegmenter
from core.photos import Photo
from core.prompts import check_prompt

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Prediction:
    """probs: (H, W) float32 in [0, 1] at the photo's size. cut: the prompt was longer than the model reads."""

    prompt: str
    probs: NDArray[np.float32]
    cut: bool

    def mask(self, threshold: float = DEFAULT_THRESHOLD) -> Mask:
        """(H, W) bool. Raises ValueError unless 0 < threshold < 1."""
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must lie in (0, 1), got {threshold}")
        return self.probs >= threshold


class TextToMask(Protocol):
    """What every model behind a checkpoint's name can do, CLIPSeg or another."""

    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. One prediction a prompt, in their order, at the photo's size."""
        ...


class Predictor:
    """Holds a segmenter in eval mode on its device; a photo is encoded once for all of its prompts."""

    def __init__(self, segmenter: PromptSegmenter) -> None:
        self.segmenter = segmenter.eval()
        self._text: dict[str, torch.Tensor] = {}

    @torch.inference_mode()
    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. Any aspect: CLIPSeg sees it squashed to its square, the branch in its own shape."""
        prompts = [check_prompt(prompt) for prompt in prompts]
        device = self.segmenter.image_mean.device
        height, width = photo.shape[:2]
        pixels = torch.from_numpy(np.array(photo)).to(device).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
        text = self._embed(prompts)
        activations = self.segmenter.encode_image(self.segmenter.pixel_values(pixels))
        refiner = self.segmenter.refiner
        if refiner is not None and max(height, width) > refiner.config.max_side:
            scale = refiner.config.max_side / max(height, width)
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        predictions = []
        for prompt, embedding in zip(prompts, text.split(1), strict=True):
            logits = self.segmenter.refine(pixels, self.segmenter.decode(activations, embedding), embedding)
            full = F.interpolate(logits[:, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
            predictions.append(Prediction(prompt, full.sigmoid().cpu().numpy(), self.segmenter.is_cut(prompt)))
        return predictions

    def _embed(self, prompts: Sequence[str]) -> torch.Tensor:
        """(P, E), each prompt embedded once in the predictor's life."""
        for prompt in prompts:
            if prompt not in self._text:
                self._text[prompt] = self.segmenter.encode_text([prompt])
        return torch.cat([self._text[prompt] for prompt in prompts])
