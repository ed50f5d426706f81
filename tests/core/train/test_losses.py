import numpy as np
import pytest
import torch
from kornia.losses import focal_loss, tversky_loss
from pydantic import ValidationError
from skimage.morphology import skeletonize
from torch.nn import functional as F

from core.settings import LossSettings
from core.train.losses import SegmentationLoss, presence, signed_distance, soft_cldice, soft_dice, soft_skeleton, soft_tversky

TERMS = ("bce", "dice", "tversky", "focal", "cldice", "boundary", "presence")


def only(term: str, **parameters: float) -> SegmentationLoss:
    return SegmentationLoss(LossSettings(**{"bce": 0, "dice": 0, term: 1, **parameters}))


def lines(batch: int = 2, side: int = 24) -> torch.Tensor:
    """A diagonal line two pixels wide in each picture, and a horizontal one."""
    target = torch.zeros(batch, side, side)
    steps = torch.arange(side - 1)
    target[:, steps, steps] = target[:, steps, steps + 1] = 1
    target[:, 5:7, 3:-3] = 1
    return target


def test_published_half_and_half_is_bit_equal_to_the_published_formula():
    torch.manual_seed(0)
    logits, target = torch.randn(3, 50, 70), (torch.rand(3, 50, 70) > 0.9).float()
    probs = logits.sigmoid()
    overlap, total = (probs * target).sum((-2, -1)), probs.sum((-2, -1)) + target.sum((-2, -1))
    dice = (1 - (2 * overlap + 1) / (total + 1)).mean()
    published = 0.5 * F.binary_cross_entropy_with_logits(logits, target) + 0.5 * dice
    assert torch.equal(SegmentationLoss(LossSettings())(logits, target), published)


@pytest.mark.parametrize("term", TERMS)
def test_a_perfect_prediction_costs_nothing(term):
    for target in (lines(), torch.zeros(1, 8, 8)):
        assert only(term)(200 * target - 100, target).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("term", TERMS)
def test_it_falls_as_the_logits_move_to_the_target_and_its_gradient_is_finite(term):
    target = lines()
    least = 0 if term == "presence" else -4  # it asks whether, not where: sure in the wrong places is sure
    costs = [only(term)((2 * target - 1) * scale, target).item() for scale in np.linspace(least, 8, 25)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.1 * costs[0]
    for scale in (0.0, 1.0, 500.0):
        logits = (torch.randn(2, 24, 24) * scale).requires_grad_()
        only(term)(logits, target).backward()
        assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("term", TERMS)
def test_pixels_of_weight_0_count_in_no_term(term):
    torch.manual_seed(1)
    logits, target, weight = torch.randn(2, 24, 24), lines(), torch.ones(2, 24, 24)
    weight[:, 8:16, 4:20] = 0
    loss = only(term)
    changed = loss(torch.where(weight == 0, 50.0, logits), torch.where(weight == 0, 1 - target, target), weight)
    assert torch.equal(loss(logits, target, weight), changed)
    assert loss(logits, target, torch.zeros_like(weight)).item() == pytest.approx(0, abs=1e-6)
    assert torch.allclose(loss(logits, target, torch.ones_like(weight)), loss(logits, target))
    free = logits.clone().requires_grad_()
    loss(free, target, weight).backward()
    assert (free.grad[weight == 0] == 0).all()


def test_bce_of_some_pixels_is_bce_of_those_pixels():
    torch.manual_seed(2)
    logits, target, weight = torch.randn(2, 6, 6), (torch.rand(2, 6, 6) > 0.5).float(), torch.rand(2, 6, 6).round()
    keep = weight == 1
    expected = F.binary_cross_entropy_with_logits(logits[keep], target[keep])
    assert torch.isclose(only("bce")(logits, target, weight), expected)


def test_dice_by_hand():
    logits = torch.tensor([[[100.0, 100.0], [-100.0, -100.0]]])
    target = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert soft_dice(logits, target).item() == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_tversky_of_both_classes_is_kornias_and_of_halves_is_dice():
    torch.manual_seed(3)
    logits, target = torch.randn(4, 9, 9), (torch.rand(4, 9, 9) > 0.7).float()
    two_classes = torch.stack([torch.zeros_like(logits), logits], dim=1)
    ours = [soft_tversky(s * logits, (1 - s) / 2 + s * target, None, 0.3, 0.7, smooth=0) for s in (1, -1)]
    assert torch.isclose((ours[0] + ours[1]) / 2, tversky_loss(two_classes, target.long(), 0.3, 0.7))
    halves = soft_tversky(logits, target, None, 0.5, 0.5, smooth=0.5)
    assert torch.isclose(halves, soft_dice(logits, target, smooth=1.0))


def test_focal_is_the_two_class_focal_loss_and_without_focus_half_the_bce():
    torch.manual_seed(4)
    logits, target = torch.randn(2, 9, 9), (torch.rand(2, 9, 9) > 0.7).float()
    two_classes = torch.stack([torch.zeros_like(logits), logits], dim=1)
    expected = focal_loss(two_classes, target.long(), 0.8, 1.5, reduction="none").sum(1).mean()
    assert torch.isclose(only("focal", focal_alpha=0.8, focal_gamma=1.5)(logits, target), expected)
    plain = F.binary_cross_entropy_with_logits(logits, target) / 2
    assert torch.isclose(only("focal", focal_alpha=0.5, focal_gamma=0)(logits, target), plain)


def test_cldice_sees_a_gap_but_not_a_width():
    thin, wide = torch.zeros(1, 15, 21), torch.zeros(1, 15, 21)
    thin[:, 7, 2:19], wide[:, 6:9, 1:20] = 1, 1
    broken = wide.clone()
    broken[:, :, 8:12] = 0
    assert soft_cldice(200 * wide - 100, thin, None, 3).item() == pytest.approx(0, abs=1e-6)
    # the centre line of `wide` has 17 px (2 to 18), of which 4 lie in the gap; all of `broken` lies in `wide`
    sensitivity = (17 - 4 + 1) / (17 + 1)
    assert soft_cldice(200 * broken - 100, wide, None, 3).item() == pytest.approx(1 - 2 * sensitivity / (1 + sensitivity))


def test_soft_skeleton_of_bars_is_their_centre_line_as_skimage_finds_it():
    mask = torch.zeros(1, 20, 30)
    mask[:, 4:7, 5:25], mask[:, 10:17, 8:22] = 1, 1
    ours, theirs = soft_skeleton(mask, 5)[0].bool().numpy(), skeletonize(mask[0].numpy() > 0)
    assert set(np.unique(ours)) == {False, True}
    assert ours[5, 6:24].all()
    assert ours[13, 11:19].all()
    middle = np.s_[:, 12:18]
    assert np.array_equal(ours[middle], theirs[middle])


def test_signed_distance_by_hand():
    target = torch.tensor([[[0.0, 0.0, 1.0, 1.0, 1.0, 0.0]]])
    assert (signed_distance(target) * 6)[0, 0].tolist() == pytest.approx([1.5, 0.5, -0.5, -1.5, -0.5, 0.5])
    assert not signed_distance(torch.zeros(1, 4, 4)).any()
    assert not signed_distance(torch.ones(1, 4, 4)).any()


def test_boundary_loss_grows_with_the_distance_of_the_mistake():
    target = lines(1)
    near, far = 200 * target - 100, 200 * target - 100
    near[0, 8, 12], far[0, 20, 2] = 100, 100
    assert 0 < only("boundary")(near, target) < only("boundary")(far, target)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"logits \(1, 2, 2\) and target \(1, 2, 3\) differ in shape"):
        only("bce")(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="and weight"):
        only("bce")(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), torch.zeros(2, 2))
    with pytest.raises(ValidationError, match="must not all be 0"):
        LossSettings(bce=0, dice=0)


@pytest.mark.parametrize("term", ["dice", "tversky", "cldice"])
def test_a_clean_wall_is_left_to_the_pixel_terms(term):
    logits, target = torch.zeros(2, 8, 8, requires_grad=True), torch.zeros(2, 8, 8)
    target[1, 2:5] = 1
    only(term)(logits, target).backward()
    assert logits.grad[0].abs().max() == 0
    assert logits.grad[1].abs().max() > 0


def test_presence_is_the_cross_entropy_of_the_surest_thousandth():
    torch.manual_seed(2)
    logits, target = torch.randn(2, 50, 60), torch.zeros(2, 50, 60)
    target[1, 10:12, 5:25] = 1
    surest = torch.tensor([sorted(part.flatten().tolist())[-3:] for part in logits]).mean(dim=1)
    expected = F.binary_cross_entropy_with_logits(surest, torch.tensor([0.0, 1.0]))
    assert presence(logits, target).item() == pytest.approx(expected.item(), abs=1e-6)


def test_presence_makes_a_false_spot_on_a_clean_wall_dear_and_says_nothing_of_a_speck():
    clean, spot = torch.full((1, 100, 100), -6.0), torch.full((1, 100, 100), -6.0)
    spot[0, 40:44, 40:44] = 4  # 16 of 10,000 pixels
    nothing, speck = torch.zeros(1, 100, 100), torch.zeros(1, 100, 100)
    speck[0, 0, :3] = 1
    assert only("bce")(spot, nothing) < 0.01
    assert presence(clean, nothing) < 0.01
    assert presence(spot, nothing) > 4
    assert presence(clean, speck).item() == 0
