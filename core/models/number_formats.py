"""Number formats: whether a smaller one pays, and whether it changes masks, is measured on the machine at hand, never assumed."""

import copy
import time
from collections.abc import Sequence
from functools import cache

import torch
from torch.nn import functional as F

from core.models.clipseg import PromptSegmenter, attend_by_matmul
from core.models.fused_layers import FusedLayer, Int8Product, PackedProduct, can_fuse, fuse

WORTH_IT = 1.3
"""A format must be this much faster before it is chosen: it gives up 16 bits of mantissa or more."""
MAX_ERROR = 0.05
"""Of the logits: root mean square of what a format changes, for each unit of their standard deviation, or for one unit where
they vary less. 0.05 moves a probability by 0.0125 at most."""
CHECK_PROMPT = "segment crack"
TOKENS = 485
"""Of a photo at CLIPSeg's 352 px in patches of 16, and one for the whole."""


@cache
def product_seconds(device_type: str = "cpu") -> dict[str, float]:
    """Time the commonest product of a ViT-B layer, 485 tokens by 768 by 3072 channels, interleaved, in every format there is:
    "fp32", "bf16" and, on a CPU with VNNI or AMX, "int8", rounding the tokens included.

    A few dozen milliseconds, once a process. CPUs with AMX or AVX-512 bf16 units and recent GPUs gain 2x to 8x by bf16; older
    CPUs emulate it and lose.
    """
    device, random = torch.device(device_type), torch.Generator().manual_seed(0)  # a run's own draws stay as they were
    tokens, weights = (torch.randn(rows, 768, generator=random).to(device) for rows in (TOKENS, 3072))
    smaller = tokens.bfloat16(), weights.bfloat16()
    sides = {"fp32": lambda: F.linear(tokens, weights), "bf16": lambda: F.linear(*smaller)}
    if device_type == "cpu" and torch.cpu._is_vnni_supported():
        int8 = Int8Product(weights, torch.zeros(3072), torch.float32, TOKENS)
        sides["int8"] = lambda: int8(tokens)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with torch.inference_mode():
        for round_ in range(8):
            for name, multiply in sides.items():
                began = time.perf_counter()
                product = multiply()
                if device_type != "cpu":
                    product.sum().item()  # waits for the device
                if round_ >= 2:
                    seconds[name].append(time.perf_counter() - began)
    return {name: min(times) for name, times in seconds.items()}


def pays(name: str, device_type: str = "cpu") -> bool:
    """Whether "bf16" or "int8" is there and WORTH_IT faster than fp32."""
    seconds = product_seconds(device_type)
    return name in seconds and seconds["fp32"] > WORTH_IT * seconds[name]


@torch.inference_mode()
def in_fastest_format(segmenter: PromptSegmenter, formats: Sequence[str] = ("int8", "bf16")) -> PromptSegmenter:
    """The segmenter in the fastest of the formats that pays on its device and leaves its answers as they were, else itself.
    On a CPU with oneDNN its layers are then fused (`core.models.fused_layers`): it predicts, and can neither be trained nor saved.

    The check runs one photo of smooth colours and noise through both: an error of the logits of at most MAX_ERROR.
    """
    device = segmenter.image_mean.device.type
    layers = segmenter.clipseg.clip.vision_model.encoder.layers
    if segmenter.dtype != torch.float32 or isinstance(layers[0], FusedLayer):
        return segmenter
    noise = torch.Generator().manual_seed(0)
    photo = F.interpolate(torch.rand(1, 3, 8, 8, generator=noise), (352, 352), mode="bicubic").clamp(0, 1)
    photo = (photo + 0.1 * torch.randn(photo.shape, generator=noise)).clamp(0, 1).to(segmenter.image_mean.device)
    expected = segmenter(photo, [CHECK_PROMPT])
    for name in sorted((name for name in formats if pays(name, device)), key=product_seconds(device).__getitem__):
        smaller = _in_format(segmenter, name)
        error = (smaller(photo, [CHECK_PROMPT]) - expected).pow(2).mean().sqrt()
        if error <= MAX_ERROR * expected.std().clamp(min=1):
            return smaller
    return segmenter


def _in_format(segmenter: PromptSegmenter, name: str) -> PromptSegmenter:
    """int8 for the products of the vision layers; all else is in bf16 where that pays. The decoder is small and keeps it."""
    device = segmenter.image_mean.device.type
    dtype = torch.bfloat16 if name == "bf16" or pays("bf16", device) else torch.float32
    smaller = copy.deepcopy(segmenter)
    encoder, decoder = smaller.clipseg.clip.vision_model.encoder, smaller.clipseg.decoder
    if device == "cpu":
        attend_by_matmul(encoder.layers)  # those that cannot be fused
    if device == "cpu" and can_fuse(dtype):
        fuse(encoder.layers, True, Int8Product if name == "int8" else PackedProduct, dtype, TOKENS)
        fuse(decoder.layers, False, PackedProduct, dtype, TOKENS)
    return smaller.to(dtype)
