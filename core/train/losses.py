"""Losses on logits, before the sigmoid: seven terms, each with its weight (`LossSettings`), added up.

Overlap and skeleton terms are taken per sample and averaged, so a thin crack weighs as much as a wide joint. A sample
without foreground counts 0 in them and is left to the pixel terms: it would else ask that the probabilities of a whole
photo add up to less than one pixel, logits below -11 everywhere, and no thin crack is found from there. Pixels of weight
0 count in no term. Every term is 0 at a perfect prediction.
"""

import numpy as np
import torch
from kornia.losses import binary_focal_loss_with_logits
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from torch.nn import functional as F

from core.settings import LossSettings


class SegmentationLoss(nn.Module):
    """The weighted sum of the terms; one of weight 0 is not computed. The published recipe is 0.5 BCE + 0.5 Dice."""

    def __init__(self, config: LossSettings) -> None:
        super().__init__()
        self.config = config

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """logits: (B, H, W) float. target: (B, H, W) float in [0, 1]. weight: (B, H, W) float >= 0, or None for 1.

        Returns a scalar float32. Raises ValueError when the shapes differ.
        """
        for name, other in (("target", target), ("weight", weight)):
            if other is not None and other.shape != logits.shape:
                raise ValueError(f"logits {tuple(logits.shape)} and {name} {tuple(other.shape)} differ in shape")
        logits, config = logits.float(), self.config
        if weight is not None:  # what lies under weight 0 must not reach the terms that look at neighbours either
            weight = weight.float()
            logits, target = logits.masked_fill(weight == 0, -1e4), target.masked_fill(weight == 0, 0)
        terms = {
            "bce": lambda: _mean(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), weight),
            "dice": lambda: soft_dice(logits, target, weight),
            "tversky": lambda: soft_tversky(logits, target, weight, config.tversky_fp, config.tversky_fn),
            "focal": lambda: _mean(_focal(logits, target, config.focal_alpha, config.focal_gamma), weight),
            "cldice": lambda: soft_cldice(logits, target, weight, config.cldice_steps),
            "boundary": lambda: _mean((logits.sigmoid() - target) * signed_distance(target), weight),
            "presence": lambda: presence(logits, target),
        }
        total = logits.new_zeros(())
        for name, term in terms.items():
            if share := getattr(config, name):
                total = total + share * term()
        return total


def soft_dice(logits: Tensor, target: Tensor, weight: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """1 - Dice of the probabilities (Milletari et al. 2016, V-Net), mean over samples. Shapes as in SegmentationLoss."""
    overlap, predicted, true = _sums(logits, target, weight)
    return _mean_where_any(1 - (2 * overlap + smooth) / (predicted + true + smooth), true)


def soft_tversky(logits: Tensor, target: Tensor, weight: Tensor | None, fp: float, fn: float, smooth: float = 1.0) -> Tensor:
    """1 - Tversky index (Salehi et al. 2017) of the foreground, mean over samples; fp and fn weigh the two mistakes.

    kornia's averages the background's index in and knows no pixel weights.
    """
    overlap, predicted, true = _sums(logits, target, weight)
    index = (overlap + smooth) / (overlap + fp * (predicted - overlap) + fn * (true - overlap) + smooth)
    return _mean_where_any(1 - index, true)


def soft_cldice(logits: Tensor, target: Tensor, weight: Tensor | None, steps: int, smooth: float = 1.0) -> Tensor:
    """1 - soft centre-line Dice (Shit et al. 2021), mean over samples: skeletons that lie in the other's mask.

    steps: erosions, at least half the width in pixels of the widest structure.
    """
    probs = logits.sigmoid()
    parts = []
    for skeleton, mask in ((soft_skeleton(probs, steps), target), (soft_skeleton(target, steps), probs)):
        skeleton = skeleton if weight is None else skeleton * weight
        parts.append(((skeleton * mask).sum((-2, -1)) + smooth) / (skeleton.sum((-2, -1)) + smooth))
    precision, sensitivity = parts
    return _mean_where_any(1 - 2 * precision * sensitivity / (precision + sensitivity), _sums(logits, target, weight)[2])


def soft_skeleton(mask: Tensor, steps: int) -> Tensor:
    """(B, H, W) float in [0, 1] to its soft skeleton, same shape: what an opening removes, step by step (Shit et al. 2021)."""
    eroded = _erode(mask)
    skeleton = F.relu(mask - _dilate(eroded))
    for _ in range(steps):
        mask, eroded = eroded, _erode(eroded)
        removed = F.relu(mask - _dilate(eroded))
        skeleton = skeleton + F.relu(removed - skeleton * removed)
    return skeleton


def presence(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of a photo's surest pixels, the mean of the highest thousandth of its logits, against whether anything is
    there to find: multiple-instance learning by top-k pooling. What shows fewer pixels than that counts 0.

    In cross-entropy over all pixels a false spot on a clean wall costs next to nothing; here it is all that is looked at.
    """
    count = max(1, logits[0].numel() // 1000)
    surest = logits.flatten(1).topk(count, dim=1).values.mean(dim=1)
    shown = (target >= 0.5).flatten(1).sum(dim=1)
    there = (shown > 0).to(surest.dtype)
    losses = F.binary_cross_entropy_with_logits(surest, there, reduction="none")
    return (losses * ((shown == 0) | (shown >= count))).mean()


def signed_distance(target: Tensor) -> Tensor:
    """Distance to the mask's outline, negative inside, in shares of the longer side: (B, H, W) float; 0 without an outline.

    Of the boundary loss (Kervadec et al. 2019): the mean of its product with probs - target is the distance-weighted area
    between prediction and truth. The outline runs between pixels, so even a hairline has an inside.
    """
    masks = target.detach().cpu().numpy() >= 0.5
    maps = np.zeros(masks.shape, np.float32)
    for mask, distance in zip(masks, maps, strict=True):
        if mask.any() and not mask.all():
            outside, inside = distance_transform_edt(~mask) - 0.5, distance_transform_edt(mask) - 0.5
            distance[:] = np.where(mask, -inside, outside) / max(mask.shape)
    return torch.from_numpy(maps).to(target.device)


def _focal(logits: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss (Lin et al. 2017) of each pixel, (B, H, W)."""
    return binary_focal_loss_with_logits(logits[:, None], target[:, None], alpha, gamma, reduction="none")[:, 0]


def _sums(logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Soft pixels in both, predicted and true, each (B,)."""
    probs = logits.sigmoid()
    if weight is not None:
        return tuple((part * weight).sum((-2, -1)) for part in (probs * target, probs, target))  # type: ignore[return-value]
    return (probs * target).sum((-2, -1)), probs.sum((-2, -1)), target.sum((-2, -1))


def _mean_where_any(losses: Tensor, true: Tensor) -> Tensor:
    """Mean over samples, of which those without a true pixel count 0. losses, true: (B,)."""
    return (losses * (true > 0)).mean()


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values.mean()
    return (values * weight).sum() / weight.sum().clamp_min(torch.finfo(values.dtype).tiny)


def _erode(mask: Tensor) -> Tensor:
    """The smallest of each pixel and its neighbours above, below and beside it, (..., H, W)."""
    return -torch.maximum(_largest_of_three(-mask, -2), _largest_of_three(-mask, -1))


def _dilate(mask: Tensor) -> Tensor:
    """The largest of each 3x3 pixels, (..., H, W)."""
    return _largest_of_three(_largest_of_three(mask, -2), -1)


def _largest_of_three(values: Tensor, axis: int) -> Tensor:
    """Of each value and its two neighbours on an axis. On a CPU six times as fast as max pooling, which keeps indices."""
    before, here, after = (values.narrow(axis, start, values.shape[axis] - 2) for start in range(3))
    inner = torch.maximum(torch.maximum(before, here), after)
    first, last = (
        torch.maximum(values.narrow(axis, at, 1), values.narrow(axis, at + 1, 1)) for at in (0, values.shape[axis] - 2)
    )
    return torch.cat([first, inner, last], axis)
