"""Number formats: whether bf16 pays is measured on the machine at hand, never assumed."""

import time
from functools import cache

import torch
from torch.nn import functional as F

WORTH_IT = 1.3
"""bf16 must be this much faster before it is chosen: it gives up 16 bits of mantissa."""


@cache
def bf16_pays(device_type: str = "cpu") -> bool:
    """Time the commonest product of a ViT-B layer, 485 tokens by 768 by 3072 channels, in fp32 and bf16, interleaved.

    A few dozen milliseconds, once a process. CPUs with AMX or AVX-512 bf16 units and recent GPUs gain 2x to 8x; older
    CPUs emulate bf16 and lose.
    """
    device = torch.device(device_type)
    tokens, weights = torch.randn(485, 768, device=device), torch.randn(3072, 768, device=device)
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
