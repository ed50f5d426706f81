"""The full-resolution branch: a light U-Net that reads the photo and the coarse logits, conditioned by the prompt.

CLIPSeg decides on a grid of 16-pixel tokens, so its cracks are blobs. This branch puts the edge back where the photo
has it: an encoder-decoder (Ronneberger et al. 2015) with additive skips, modulated feature-wise by the text embedding
(FiLM, Perez et al. 2018). It works on pixels folded into channels (sub-pixel convolution, Shi et al. 2016), two by two or
four by four, so nothing is lost and the finest maps are a quarter or a sixteenth as large. Its way down is learnt with the
rest, or an encoder that knows photos already (`core.models.efficientnet`). Its last layer starts at zero, so an untrained
branch leaves the coarse logits as they are.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.efficientnet import CHANNELS, EfficientNetLite
from core.settings import BranchSettings

STRIDE = 32
"""Photos are padded to a multiple of this, the branch's deepest stride."""
_LEVELS = {2: ((1, 1), (2, 1), (4, 1), (5, 1), (5, 1)), 4: ((1, 0), (2, 1), (4, 2), (6, 2))}
"""By `fold`, of each level from the finest stride to STRIDE: channels as a multiple of `width`, and blocks after the first.
Of 4, the levels cost about the same each: what is saved at the finest goes to the deep ones, which see far."""
_BESIDE_ENCODER = (1, 2, 3, 4)
"""Channels of each level of the way up beside the encoder, as a multiple of `width`."""


class FullResolutionBranch(nn.Module):
    def __init__(self, config: BranchSettings, text_dim: int) -> None:
        super().__init__()
        self.config = config
        folded = 4 * config.fold**2
        if config.encoder:
            widths = tuple(config.width * factor for factor in _BESIDE_ENCODER)
            self.encoder = EfficientNetLite()
            self.stem = _block(folded, widths[0])
            self.skip = nn.ModuleList(nn.Conv2d(found, width, 1) for found, width in zip(CHANNELS, widths, strict=True))
        else:
            widths, more = zip(*((config.width * factor, more) for factor, more in _LEVELS[config.fold]), strict=True)
            self.stem = _stage(folded, widths[0], more[0], stride=1)
            self.down = nn.ModuleList(
                _stage(shallow, deep, count, stride=2) for (shallow, deep), count in zip(pairwise(widths), more[1:], strict=True)
            )
        self.film = nn.ModuleList(nn.Linear(text_dim, 2 * width) for width in widths)
        self.lateral = nn.ModuleList(nn.Conv2d(deep, shallow, 1) for shallow, deep in pairwise(widths))
        self.up = nn.ModuleList(_block(width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], config.fold**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, photos: Tensor, coarse_logits: Tensor, text: Tensor) -> Tensor:
        """photos: (B, 3, H, W) float, normalised. coarse_logits: (B, h, w). text: (B, E). Returns logits (B, H, W)."""
        height, width = photos.shape[-2:]
        coarse = F.interpolate(coarse_logits[:, None], (height, width), mode="bilinear", align_corners=False)
        features = torch.cat([photos, coarse.clamp(-8, 8) / 4], dim=1)  # (B, 4, H, W)
        # only this way of rounding up, without a negative number, survives torch.export and ONNX's division
        padded_height, padded_width = ((side + STRIDE - 1) // STRIDE * STRIDE for side in (height, width))
        features = F.pad(features, (0, padded_width - width, 0, padded_height - height), mode="replicate")
        levels = self._way_down(features.contiguous(memory_format=torch.channels_last))
        features = self._modulate(levels[-1], text, len(levels) - 1)
        for level in range(len(levels) - 2, -1, -1):
            raised = F.interpolate(self.lateral[level](features), levels[level].shape[-2:], mode="nearest")
            features = self.up[level](self._modulate(levels[level] + raised, text, level))
        delta = F.pixel_shuffle(self.head(features), self.config.fold)[:, :, :height, :width]
        return (coarse + delta)[:, 0]

    def _way_down(self, features: Tensor) -> list[Tensor]:
        """features: (B, 4, H, W), photo and coarse logits. Returns a map a level, from the finest to STRIDE."""
        levels = [self.stem(F.pixel_unshuffle(features, self.config.fold))]
        if self.config.encoder:
            finest, *deeper = (skip(found) for skip, found in zip(self.skip, self.encoder(features[:, :3]), strict=True))
            return [levels[0] + finest, *deeper]
        for down in self.down:
            levels.append(down(levels[-1]))
        return levels

    def _modulate(self, features: Tensor, text: Tensor, level: int) -> Tensor:
        scale, shift = self.film[level](text)[:, :, None, None].chunk(2, dim=1)
        return features * (1 + scale) + shift


def _stage(inputs: int, outputs: int, more: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_block(inputs, outputs, stride), *(_block(outputs, outputs) for _ in range(more)))


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(outputs // 8, outputs),
        nn.ReLU(inplace=True),
    )
