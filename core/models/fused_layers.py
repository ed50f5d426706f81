"""CLIPSeg's transformer layers for inference on a CPU: the same sums in fewer passes over memory, from weights packed once.

transformers computes a layer module by module: three products for queries, keys and values, an activation of three passes, a sum
by itself. oneDNN does what follows a product while its result is still in the cache, and reorders a plain weight at every call
unless it was packed before (what torch.compile's freezing does, without a compiler). The products run in bf16, or in int8 with
a scale a row of either side ("vector-wise", Dettmers et al. 2022, LLM.int8), twice as fast where the CPU has VNNI or AMX.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FUSED = {"quick_gelu": ("swish", 1.702), "relu": ("relu", 1.0)}
"""oneDNN's name of an activation a(x), and the s with which a(x) = name(s x) / s: x sigmoid(1.702 x) is one of swish."""
_TINY = 1e-12


class PackedProduct:
    """x W^T + b by weights that lie as oneDNN's kernels want them. Inputs must be of `dtype`, and outputs are."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, tokens: int) -> None:
        """weight: (O, I) and bias: (O,), float32. tokens: how many rows a product commonly has; the packing is chosen for it
        and right for any."""
        self.weight, self.bias = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), tokens), bias.to(dtype)

    def __call__(self, inputs: Tensor, activation: str = "none") -> Tensor:
        """inputs: (..., I). Returns (..., O)."""
        return torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, activation, [], "")

    def plus(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """The product and a (..., O) that is added to it."""
        return torch.ops.mkldnn._linear_pointwise.binary(inputs, residual, self.weight, self.bias, "add")


class Int8Product:
    """As PackedProduct with float32 out of any input; the rows of W are rounded to 8 bits once, those of x at every call."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, tokens: int) -> None:
        self.scales = weight.abs().amax(1).clamp_min(_TINY) / 127  # (O,)
        rounded = (weight / self.scales[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, [tokens, weight.shape[1]])
        self.zeros, self.bias = torch.zeros(len(weight), dtype=torch.int32), bias

    def __call__(self, inputs: Tensor, activation: str = "none") -> Tensor:
        inputs = inputs.float()
        spare = inputs.abs()
        scales = spare.amax(-1, keepdim=True).clamp_min_(_TINY).div_(127)  # (..., 1)
        rounded = torch.mul(inputs, scales.reciprocal(), out=spare).round_().to(torch.int8)
        shifted = rounded.view(torch.uint8).bitwise_xor_(128)  # oneDNN's fast kernels take them from 0 to 255
        outputs = torch.ops.onednn.qlinear_pointwise(
            shifted, 1.0, 128, self.weight, self.scales, self.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        outputs.mul_(scales).add_(self.bias)
        if activation == "swish":
            return F.silu(outputs, inplace=True)
        return outputs.relu_() if activation == "relu" else outputs

    def plus(self, inputs: Tensor, residual: Tensor) -> Tensor:
        return self(inputs).add_(residual)


class FusedLayer(nn.Module):
    """A CLIPSegEncoderLayer (norms first) or CLIPSegDecoderLayer (norms last); it can be neither trained nor saved."""

    def __init__(
        self, layer: Any, norms_first: bool, product: type[PackedProduct | Int8Product], dtype: torch.dtype, tokens: int
    ) -> None:
        """dtype: of what comes in and goes out, and of the attention."""
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.heads, self.norms_first, self.dtype = attention.num_heads, norms_first, dtype
        self.between = torch.float32 if product is Int8Product else dtype
        self.activation, factor = _FUSED[mlp.config.hidden_act]

        def packed(*parts: tuple[nn.Linear, float]) -> PackedProduct | Int8Product:
            weight = torch.cat([linear.weight.detach() * scale for linear, scale in parts])
            return product(weight, torch.cat([linear.bias.detach() * scale for linear, scale in parts]), dtype, tokens)

        self.qkv = packed((attention.q_proj, attention.scale), (attention.k_proj, 1), (attention.v_proj, 1))
        self.out = packed((attention.out_proj, 1))
        self.fc1 = packed((mlp.fc1, factor))
        self.fc2 = product(mlp.fc2.weight.detach() / factor, mlp.fc2.bias.detach(), dtype, tokens)
        self.norm1, self.norm2 = copy.deepcopy(layer.layer_norm1), copy.deepcopy(layer.layer_norm2)

    def _apply(self, function: Any, recurse: bool = True) -> "FusedLayer":
        """The norms keep their float32 when the model around is cast; nothing else here can be."""
        return self

    def forward(self, hidden: Tensor, attention_mask: None = None, **_: object) -> Tensor:
        """hidden: (B, N, D). Returns (B, N, D)."""
        hidden = hidden.to(self.between)
        if self.norms_first:
            hidden = self.out.plus(self._attend(self.norm1(hidden)), hidden)
            hidden = self.fc2.plus(self.fc1(self.norm2(hidden), self.activation), hidden)
        else:
            hidden = self.norm1(self.out.plus(self._attend(hidden), hidden))
            hidden = self.norm2(self.fc2.plus(self.fc1(hidden, self.activation), hidden))
        return hidden.to(self.dtype)

    def _attend(self, inputs: Tensor) -> Tensor:
        """softmax(Q K^T) V by plain products: faster than the fused kernel on a CPU, 1.9 instead of 4.6 ms a ViT-B layer."""
        batch, tokens, channels = inputs.shape
        parts = self.qkv(inputs).view(batch, tokens, 3, self.heads, channels // self.heads).permute(2, 0, 3, 1, 4)
        # (B, heads, N, D / heads) each
        queries, keys, values = parts.to(self.dtype, copy=True, memory_format=torch.contiguous_format)
        weights = (queries @ keys.transpose(-1, -2)).softmax(-1)
        return (weights @ values).transpose(1, 2).reshape(batch, tokens, channels)


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether torch has oneDNN here, and oneDNN kernels for this format."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def fuse(
    layers: nn.ModuleList, norms_first: bool, product: type[PackedProduct | Int8Product], dtype: torch.dtype, tokens: int
) -> None:
    """Replace transformers' float32 layers in place; those with an activation that has no fused form stay."""
    for number, layer in enumerate(layers):
        if layer.mlp.config.hidden_act in _FUSED:  # type: ignore[union-attr, operator]
            layers[number] = FusedLayer(layer, norms_first, product, dtype, tokens)
