"""Number formats: whether bf16 pays, and whether it changes masks, is measured on the machine at hand, never assumed."""

import copy
import time
from functools import cache

import torch
from torch.nn import functional as F

from core.model import PromptSegmenter, attend_by_matmul
from core.packed_linear import pack_linears

WORTH_IT = 1.3
"""bf16 must be this much faster before it is chosen: it gives up 16 bits of mantissa."""
MAX_DIFFERENCE = 0.01
CHECK_PROMPT = "segment crack"
TOKENS = 485
"""Of a photo at CLIPSeg's 352 px in patches of 16, and one for the whole."""


@cache
def bf16_pays(device_type: str = "cpu") -> bool:
    """Time the commonest product of a ViT-B layer, 485 tokens by 768 by 3072 channels, in fp32 and bf16, interleaved.

    A few dozen milliseconds, once a process. CPUs with AMX or AVX-512 bf16 units and recent GPUs gain 2x to 8x; older
    CPUs emulate bf16 and lose.
    """
    device = torch.device(device_type)
    tokens, weights = torch.randn(TOKENS, 768, device=device), torch.randn(3072, 768, device=device)
    operands = [(tokens.to(kind), weights.to(kind)) for kind in (torch.float32, torch.bfloat16)]
    seconds: list[list[float]] = [[], []]
    with torch.inference_mode():
        for round_ in range(8):
            for place, (left, right) in enumerate(operands):
                began = time.perf_counter()
                product = F.linear(left, right)
                if device_type != "cpu":
                    product.sum().item()  # waits for the device
                if round_ >= 2:
                    seconds[place].append(time.perf_counter() - began)
    return min(seconds[0]) > WORTH_IT * min(seconds[1])


@torch.inference_mode()
def in_fastest_dtype(segmenter: PromptSegmenter) -> PromptSegmenter:
    """The segmenter in bf16 where that is faster on its device and leaves probabilities as they were, else itself. On a CPU
    it then attends by plain products and its weights are packed: it predicts, and can neither be trained nor saved.

    The check runs one photo of smooth colours and noise through both: mean difference of the probabilities at most
    MAX_DIFFERENCE.
    """
    if segmenter.dtype != torch.float32 or not bf16_pays(segmenter.image_mean.device.type):
        return segmenter
    noise = torch.Generator().manual_seed(0)
    photo = F.interpolate(torch.rand(1, 3, 8, 8, generator=noise), (352, 352), mode="bicubic").clamp(0, 1)
    photo = (photo + 0.1 * torch.randn(photo.shape, generator=noise)).clamp(0, 1).to(segmenter.image_mean.device)
    smaller = copy.deepcopy(segmenter).to(torch.bfloat16)
    if smaller.image_mean.device.type == "cpu":
        encoder = smaller.clipseg.clip.vision_model.encoder
        attend_by_matmul(encoder.layers)
        for part in (encoder, smaller.clipseg.decoder):
            pack_linears(part, TOKENS)
    expected, found = (model(photo, [CHECK_PROMPT]).sigmoid() for model in (segmenter, smaller))
    return smaller if (expected - found).abs().mean() <= MAX_DIFFERENCE else segmenter
