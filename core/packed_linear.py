"""Linear layers for inference on a CPU whose weights lie as oneDNN's kernels want them.

A plain bf16 product reorders its weights at every call. oneDNN packs them once (what torch.compile's "freezing" does, without
its compiler): a ViT-B layer's products come to 950 instead of 840 GFLOP/s on two cores.
"""

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """As `linear` computes; it cannot be trained, moved or saved."""

    def __init__(self, linear: nn.Linear, tokens: int) -> None:
        """tokens: how many rows a product commonly has; the packing is chosen for it and right for any."""
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), tokens)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs: (..., I), of the weights' dtype. Returns (..., O)."""
        return torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")


def pack_linears(module: nn.Module, tokens: int) -> None:
    """Pack every linear layer within, in place. Leaves the module as it is where oneDNN has no such kernel."""
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                setattr(parent, name, PackedLinear(child, tokens))
