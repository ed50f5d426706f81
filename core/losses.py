"""Losses on logits, before the sigmoid."""

from torch import Tensor, nn
from torch.nn import functional as F


class BCEDiceLoss(nn.Module):
    """`bce * BCE + dice * soft Dice` (Milletari et al. 2016, V-Net), the published 0.5 / 0.5 by default.

    Dice is taken per sample and averaged, so a thin crack weighs as much as a wide joint. An empty target with an empty
    prediction costs (almost) nothing: the smoothing of one pixel stands in both parts of the fraction.
    """

    def __init__(self, bce: float = 0.5, dice: float = 0.5) -> None:
        super().__init__()
        if bce < 0 or dice < 0 or bce + dice == 0:
            raise ValueError(f"loss weights must be >= 0 and not both 0, got bce={bce}, dice={dice}")
        self.bce, self.dice = bce, dice

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """logits: (B, H, W) float. target: (B, H, W) float in {0, 1}. weight: as target, 0 where nothing is known.

        Returns a scalar.
        """
        if logits.shape != target.shape:
            raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} differ in shape")
        logits = logits.float()
        if weight is not None:  # a pixel of weight 0 becomes clear background: it costs nothing and moves nothing
            logits, target = logits.masked_fill(weight == 0, -1e4), target * weight
        return self.bce * F.binary_cross_entropy_with_logits(logits, target) + self.dice * soft_dice(logits, target)


def soft_dice(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - Dice of the probabilities, mean over samples. Shapes as in BCEDiceLoss."""
    probs = logits.sigmoid()
    overlap = (probs * target).sum(dim=(-2, -1))
    total = probs.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()
