"""Number formats: whether a smaller one pays, and whether it changes masks, is measured on the machine at hand, never assumed."""

import copy
import logging
import time
import warnings
from functools import cache

import torch
from torch import nn
from torch.ao.quantization import quantize_dynamic
from torch.nn import functional as F

from core.models.clipseg import PromptSegmenter, attend_by_matmul

logger = logging.getLogger(__name__)
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
    "fp32", "bf16" and, on a CPU, "int8", rounding the tokens included.

    A few dozen milliseconds, once a process. CPUs with AMX or AVX-512 bf16 units and recent GPUs gain 2x to 8x by bf16; older
    CPUs emulate it and lose.
    """
    device, random = torch.device(device_type), torch.Generator().manual_seed(0)  # a run's own draws stay as they were
    tokens, weights = (torch.randn(rows, 768, generator=random).to(device) for rows in (TOKENS, 3072))
    smaller = tokens.bfloat16(), weights.bfloat16()
    sides = {"fp32": lambda: F.linear(tokens, weights), "bf16": lambda: F.linear(*smaller)}
    if available("int8", device_type):
        linear = nn.utils.skip_init(nn.Linear, 768, 3072)
        linear.load_state_dict({"weight": weights, "bias": torch.zeros(3072)})
        int8 = quantized(nn.Sequential(linear))
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


def fastest(device_type: str = "cpu") -> str:
    """The fastest format that pays here, "fp32" where none does. Timings vary: ask once and record the answer."""
    return min(
        (name for name in ("int8", "bf16") if pays(name, device_type)),
        key=product_seconds(device_type).__getitem__,
        default="fp32",
    )


def available(name: str, device_type: str = "cpu") -> bool:
    """Whether torch computes in a format here. It says nothing of speed, and the same at every call."""
    if name == "int8":
        return device_type == "cpu" and torch.backends.quantized.engine != "none"
    if name == "bf16" and device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return name in ("fp32", "bf16", "fp16")


def in_format(segmenter: PromptSegmenter, name: str) -> PromptSegmenter:
    """The segmenter in a format that was decided on before; itself, in fp32, where this machine does not have the format or
    the format would change its answers, and that is said."""
    if name == "fp32":
        return segmenter
    if not available(name, segmenter.image_mean.device.type):
        logger.warning("this machine does not have the number format %s; fp32 is used", name)
        return segmenter
    if (smaller := _checked(segmenter, name)) is None:
        logger.warning("the number format %s changes what this checkpoint answers; fp32 is used", name)
        return segmenter
    return smaller


@torch.inference_mode()
def _checked(segmenter: PromptSegmenter, name: str) -> PromptSegmenter | None:
    """In the format, if that leaves the answers as they were: one photo of smooth colours and noise through both may differ
    by an error of the logits of at most MAX_ERROR. A segmenter that is in a smaller format already stays as it is."""
    if segmenter.number_format != "fp32":
        return segmenter
    noise = torch.Generator().manual_seed(0)
    photo = F.interpolate(torch.rand(1, 3, 8, 8, generator=noise), (352, 352), mode="bicubic").clamp(0, 1)
    photo = (photo + 0.1 * torch.randn(photo.shape, generator=noise)).clamp(0, 1).to(segmenter.image_mean.device)
    expected, smaller = segmenter(photo, [CHECK_PROMPT]), _in_format(segmenter, name)
    error = (smaller(photo, [CHECK_PROMPT]) - expected).pow(2).mean().sqrt()
    return smaller if error <= MAX_ERROR * expected.std().clamp(min=1) else None


def _in_format(segmenter: PromptSegmenter, name: str) -> PromptSegmenter:
    """A copy that predicts; in int8 it can neither be trained nor saved. int8 is for the products of the vision layers alone."""
    smaller = copy.deepcopy(segmenter)
    encoder = smaller.clipseg.clip.vision_model.encoder
    if segmenter.image_mean.device.type == "cpu":
        attend_by_matmul(encoder.layers)
    if name == "bf16":
        smaller.bfloat16()
    if name == "int8":
        quantized(encoder)
    smaller.number_format = name
    return smaller


def quantized(module: nn.Module) -> nn.Module:
    """Its linear layers, in place, with weights rounded to 8 bits a channel and inputs to 8 bits at every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch points to torchao, which is fast on a CPU with a compiler only
        return quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8, inplace=True)
