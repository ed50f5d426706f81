"""Masks from boxes by SAM (Kirillov et al. 2023) or SAM 2 (Ravi et al. 2024), through transformers.

The geometry is done here: the processors of transformers for SAM 2 need torchvision, which the project does without.
SAM reads a photo scaled to fit its square and padded right and below, SAM 2 one stretched to the square.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoConfig, Sam2Model, SamModel

from core.errors import CheckpointError
from core.masks.mask import Mask, fill_box
from core.photos import Photo

_MEAN, _STD = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))  # ImageNet's, as published
_MODELS = {"sam": SamModel, "sam2": Sam2Model, "sam2_video": Sam2Model}  # SAM 2 is published as its video form


class BoxSam:
    def __init__(self, model: SamModel | Sam2Model) -> None:
        self.model = model.eval()
        self.stretches = isinstance(model, Sam2Model)
        size = model.config.vision_config.image_size
        self.size_hw: tuple[int, int] = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @classmethod
    def load(cls, checkpoint: str | Path) -> "BoxSam":
        """A local folder or a hub id (`"facebook/sam-vit-base"`, `"facebook/sam2.1-hiera-small"`). fp32, on the CPU.

        Raises CheckpointError when nothing is found or it is not SAM or SAM 2 in safetensors form.
        """
        try:
            model_type = AutoConfig.from_pretrained(checkpoint).model_type
            if model_type not in _MODELS:
                raise CheckpointError(f"{checkpoint} is a {model_type} checkpoint, not SAM or SAM 2; change labels.sam")
            return cls(_MODELS[model_type].from_pretrained(checkpoint, use_safetensors=True, dtype=torch.float32))
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"SAM checkpoint {checkpoint} cannot be loaded ({str(error).splitlines()[0]}); "
                "name a folder or a hub id that this machine can reach in labels.sam, or leave it empty"
            ) from error

    @torch.inference_mode()
    def __call__(self, photo: Photo, boxes_xywh: Sequence[Sequence[float]]) -> Mask:
        """What the boxes hold, each part cut at its own box: (H, W) bool. Empty without boxes."""
        height, width = size_hw = photo.shape[:2]
        mask = np.zeros(size_hw, bool)
        if not boxes_xywh:
            return mask
        inner_hw = self.inner_hw(size_hw)
        scale = torch.tensor((inner_hw[1] / width, inner_hw[0] / height)).repeat(2)
        corners = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in boxes_xywh], dtype=torch.float32)
        logits = self.model(
            pixel_values=self.pixel_values(photo), input_boxes=(corners * scale)[None], multimask_output=False
        ).pred_masks[0, :, 0]  # (boxes, h, w)
        for box, part in zip(boxes_xywh, self.to_photo(logits, size_hw), strict=True):
            mask |= part.numpy() & fill_box(box, size_hw)
        return mask

    def inner_hw(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """The part of the model's square that the photo takes, from its top left corner."""
        if self.stretches:
            return self.size_hw
        factor = max(self.size_hw) / max(size_hw)
        return int(size_hw[0] * factor + 0.5), int(size_hw[1] * factor + 0.5)

    def pixel_values(self, photo: Photo) -> Tensor:
        """(1, 3, S, S) float, normalised; the padding is 0."""
        inner_hw = self.inner_hw(photo.shape[:2])
        small = np.array(Image.fromarray(photo).resize(inner_hw[::-1], Image.Resampling.BILINEAR))
        pixels = ((torch.from_numpy(small).float() / 255 - _MEAN) / _STD).permute(2, 0, 1)[None]
        return F.pad(pixels, (0, self.size_hw[1] - inner_hw[1], 0, self.size_hw[0] - inner_hw[0]))

    def to_photo(self, logits: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """(N, h, w) logits of the square to (N, H, W) bool of the photo."""
        inner_hw = self.inner_hw(size_hw)
        square = F.interpolate(logits[:, None], self.size_hw, mode="bilinear", align_corners=False)
        inner = square[..., : inner_hw[0], : inner_hw[1]]
        return F.interpolate(inner, size_hw, mode="bilinear", align_corners=False)[:, 0] > 0
