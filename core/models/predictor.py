"""From a photo and sentences to masks: the one way in which page, command line and evaluation predict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from core.masks.mask import Mask
from core.models.clipseg import PromptSegmenter
from core.photos import Photo
from core.prompts import check_prompt
from core.settings import InferenceSettings

DEFAULT_THRESHOLD = 0.5
_PART_FROM = 0.05
_FEATURE_SIDE_PX = 256
WHOLE_PHOTO = InferenceSettings()


@dataclass(frozen=True)
class Prediction:
    """probs: (H, W) float32 in [0, 1] at the photo's size. cut: the prompt was longer than the model reads.
    number_format: what it was computed in."""

    prompt: str
    probs: NDArray[np.float32]
    cut: bool
    number_format: str = "fp32"

    def mask(self, threshold: float = DEFAULT_THRESHOLD) -> Mask:
        """(H, W) bool. Raises ValueError unless 0 < threshold < 1."""
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must lie in (0, 1), got {threshold}")
        return self.probs >= threshold


class TextToMask(Protocol):
    """What every model behind a checkpoint's name can do, CLIPSeg or another. number_format: what it computes in."""

    number_format: str

    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. One prediction a prompt, in their order, at the photo's size."""
        ...

    def grid_hw(self, photo_hw: tuple[int, int]) -> tuple[int, int]:
        """The resolution the model answers in for a photo of this size (see `core.metrics.ceiling`)."""
        ...


class Predictor:
    """Holds a segmenter in eval mode on its device; a photo (or tile) is encoded once for all of its prompts."""

    def __init__(self, segmenter: PromptSegmenter, inference: InferenceSettings = WHOLE_PHOTO) -> None:
        self.segmenter, self.inference, self.number_format = segmenter.eval(), inference, segmenter.number_format
        own = segmenter.branch.config.sure if segmenter.branch is not None else 0.0
        self.sure = own if inference.sure is None else inference.sure

    @property
    def on_cpu(self) -> bool:
        return self.segmenter.image_mean.device.type == "cpu"

    @torch.inference_mode()
    def predict(self, photo: Photo, prompts: Sequence[str]) -> list[Prediction]:
        """photo: (H, W, 3) uint8. Any aspect: CLIPSeg sees it squashed to its square, the branch in its own shape."""
        prompts = [check_prompt(prompt) for prompt in prompts]
        text = self.segmenter.embed(prompts)
        pixels = torch.from_numpy(np.array(photo)).to(text.device).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
        mirrors: list[tuple[int, ...]] = [(), (-1,), (-2,), (-2, -1)] if self.inference.flips else [()]
        logits = self._logits(pixels, text)
        for axes in mirrors[1:]:
            logits += self._logits(pixels.flip(axes), text).flip(axes)
        probs = [without_doubtful(one, self.sure) for one in logits.div_(len(mirrors)).sigmoid_().cpu().numpy()]
        return [Prediction(p, probs[row], self.segmenter.is_cut(p), self.number_format) for row, p in enumerate(prompts)]

    @torch.inference_mode()
    def feature(self, photo: Photo) -> NDArray[np.float32]:
        """What the photo is like, to be held against others: the mean of the vision tower's last activations that the decoder
        hears of and, where the branch has an encoder, of its deepest map, each of length 1. photo: (H, W, 3) uint8; (D,)."""
        model = self.segmenter
        pixels = torch.from_numpy(np.array(photo)).to(model.image_mean.device).permute(2, 0, 1)[None].float() / 255
        parts = [model.encode_image(model.pixel_values(pixels))[-1][0, 1:].mean(0)]
        if model.branch is not None and model.branch.config.encoder:
            parts.append(model.branch.encoder(model.pixel_values(pixels, _FEATURE_SIDE_PX))[-1][0].mean((-2, -1)))
        return torch.cat([torch.nn.functional.normalize(part.float(), dim=0) for part in parts]).cpu().numpy()

    def _logits(self, pixels: Tensor, text: Tensor) -> Tensor:
        """pixels: (1, 3, H, W) float in [0, 1]; text: (P, E). Returns (P, H, W): one look, or tiles blended where they overlap.

        Memory is that of the result and one (H, W) of weights, however many tiles there are.
        """
        height, width = pixels.shape[-2:]
        side, overlap = self.inference.tiles or max(height, width), self.inference.overlap
        rows, columns = tile_spans(height, side, overlap), tile_spans(width, side, overlap)
        if len(rows) == len(columns) == 1:
            return self.segmenter.look(pixels, text, self.inference.side_px)
        total, weights = pixels.new_zeros(len(text), height, width), pixels.new_zeros(height, width)
        for row in rows:
            for column in columns:
                tile = pixels[:, :, row, column]
                window = _falling(tile.shape[-2])[:, None] * _falling(tile.shape[-1])
                total[:, row, column] += self.segmenter.look(tile, text, self.inference.side_px) * window.to(total)
                weights[row, column] += window.to(weights)
        return total.div_(weights)

    def grid_hw(self, photo_hw: tuple[int, int]) -> tuple[int, int]:
        """The resolution the model answers in for a photo of this size: CLIPSeg's square or what its branch reads, and with
        tiles as much more as they are smaller than the photo. What is thinner than a cell of it cannot be told."""
        tile_hw = tuple(min(side, self.inference.tiles or side) for side in photo_hw)
        look_hw = self.segmenter.answer_hw((tile_hw[0], tile_hw[1]), self.inference.side_px)
        return tuple(  # type: ignore[return-value]
            max(1, round(side * look / tile)) for side, look, tile in zip(photo_hw, look_hw, tile_hw, strict=True)
        )


def without_doubtful(probs: NDArray[np.float32], sure: float) -> NDArray[np.float32]:
    """probs: (H, W) in [0, 1]. The same with every part set to 0 whose surest pixel stays below `sure`; 0 keeps all.

    A part is what touches, at sides or corners, at 0.05 or more: two thresholds, as in hysteresis (Canny 1986). Specks,
    stains and edges of a clean wall are faint all over, a crack is clear somewhere along its length.
    """
    if sure <= _PART_FROM:
        return probs
    parts, count = ndimage.label(probs >= _PART_FROM, np.ones((3, 3)))
    kept = np.zeros(count + 1, bool)
    kept[parts[probs >= sure]] = kept[0] = True
    return np.where(kept[parts], probs, np.float32(0))


def tile_spans(length: int, side: int, overlap: float) -> list[slice]:
    """The fewest spans of `side` pixels, evenly laid over `length`, whose neighbours share at least `overlap` of a side.

    The last ends where the length does; a length below one side is one span.
    """
    if length <= side:
        return [slice(0, length)]
    count = 1 + math.ceil((length - side) / max(1, math.floor(side * (1 - overlap))))
    return [slice(start, start + side) for start in np.linspace(0, length - side, count).round().astype(int).tolist()]


def _falling(length: int) -> Tensor:
    """(length,) weights that fall from the middle to the border, where they are small but not 0."""
    return torch.hann_window(length + 2, periodic=False)[1:-1]
