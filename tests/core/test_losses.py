import pytest
import torch
from torch.nn import functional as F

from core.losses import BCEDiceLoss, soft_dice


def test_weights_blend_the_two_parts():
    logits, target = torch.randn(3, 5, 5), (torch.rand(3, 5, 5) > 0.5).float()
    bce = F.binary_cross_entropy_with_logits(logits, target)
    assert torch.isclose(BCEDiceLoss()(logits, target), 0.5 * bce + 0.5 * soft_dice(logits, target))
    assert torch.isclose(BCEDiceLoss(1, 0)(logits, target), bce)


def test_hand_case():
    logits = torch.tensor([[[100.0, 100.0], [-100.0, -100.0]]])
    target = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert soft_dice(logits, target).item() == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_clean_wall_predicted_clean_costs_nothing():
    assert BCEDiceLoss()(torch.full((1, 4, 4), -50.0), torch.zeros(1, 4, 4)).item() == pytest.approx(0, abs=1e-6)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="differ in shape"):
        BCEDiceLoss()(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="not both 0"):
        BCEDiceLoss(0, 0)


def test_a_clean_wall_is_left_to_the_cross_entropy():
    logits, target = torch.zeros(2, 4, 4, requires_grad=True), torch.zeros(2, 4, 4)
    target[1, 0] = 1
    soft_dice(logits, target).backward()
    assert logits.grad[0].abs().max() == 0
    assert logits.grad[1].abs().min() > 0
