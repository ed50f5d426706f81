"""Thin-structure metrics against other implementations, hand cases and properties."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.metrics import hausdorff_distance
from skimage.morphology import skeletonize
from sklearn.metrics import f1_score, jaccard_score

from core.masks.mask import draw_band
from core.metrics.overlap import PixelCounts, count_pixels, dice, iou
from core.metrics.thin import (
    MatchCounts,
    count_boundaries,
    count_skeletons,
    count_within,
    crop_to_both,
    match_f1,
    match_iou,
    match_precision,
    match_recall,
    tolerance_px,
)

masks = arrays(bool, (9, 11))
quick = settings(deadline=None, max_examples=40)


@quick
@given(masks, masks, st.sampled_from([0, 1, 1.5, 2, 5]))
def test_matches_equal_measuring_every_pair_of_pixels(prediction, truth, distance):
    apart = cdist(np.argwhere(prediction), np.argwhere(truth)) if prediction.any() and truth.any() else np.ones((0, 0))
    near = apart <= distance
    expected = MatchCounts(
        int(near.any(axis=1).sum()) if near.size else 0,
        int(prediction.sum()),
        int(near.any(axis=0).sum()) if near.size else 0,
        int(truth.sum()),
    )
    assert count_within(prediction, truth, [distance]) == [expected]


@quick
@given(masks, masks)
def test_without_tolerance_they_are_the_overlap_metrics(prediction, truth):
    (matches,), counts = count_within(prediction, truth, [0]), count_pixels(prediction, truth)
    assert match_iou(matches) == pytest.approx(iou(counts))
    assert match_f1(matches) == pytest.approx(dice(counts))
    if prediction.any() and truth.any():
        assert match_f1(matches) == pytest.approx(f1_score(truth.ravel(), prediction.ravel()))
        assert match_iou(matches) == pytest.approx(jaccard_score(truth.ravel(), prediction.ravel()))


@quick
@given(masks, masks)
def test_more_tolerance_never_scores_less_and_full_score_is_hausdorff_distance(prediction, truth):
    counts = count_within(prediction, truth, range(16))
    for score in (match_precision, match_recall, match_f1, match_iou):
        values = [score(c) for c in counts]
        assert values == sorted(values)
        assert all(0 <= value <= 1 for value in values)
    if prediction.any() and truth.any():
        least = math.ceil(hausdorff_distance(prediction, truth))
        assert [match_f1(c) == 1 for c in counts] == [distance >= least for distance in range(16)]


@quick
@given(masks, masks)
def test_swapping_the_sides_swaps_precision_and_recall(prediction, truth):
    for counts, swapped in (
        (count_within(prediction, truth, [1])[0], count_within(truth, prediction, [1])[0]),
        (count_skeletons(prediction, truth), count_skeletons(truth, prediction)),
    ):
        assert match_precision(counts) == match_recall(swapped)
        assert match_f1(counts) == pytest.approx(match_f1(swapped))


def published_boundary(mask, ratio=0.02):
    """`mask_to_boundary` of https://github.com/bowenc0221/boundary-iou-api, its cv2.erode replaced by scipy's."""
    height, width = mask.shape
    dilation = max(1, round(ratio * math.sqrt(height**2 + width**2)))
    eroded = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=dilation)[1:-1, 1:-1]
    return mask & ~eroded


@quick
@given(arrays(bool, (9, 11), elements=st.booleans(), fill=st.just(True)), masks, st.sampled_from([0.02, 0.15, 0.3]))
def test_boundary_counts_equal_the_published_erosions(prediction, truth, ratio):
    expected = count_pixels(published_boundary(prediction, ratio), published_boundary(truth, ratio))
    assert count_boundaries(prediction, truth, ratio) == expected


def test_boundary_iou_of_a_square_moved_by_hand():
    truth, prediction = np.zeros((50, 50), bool), np.zeros((50, 50), bool)
    truth[10:20, 10:20], prediction[10:20, 11:21] = (True, True)  # the diagonal is 70.7 px, so the band is 1 px: a ring of 36
    counts = count_boundaries(prediction, truth)
    assert counts == PixelCounts(18, 18, 18, 2500 - 54)  # 9 of each long side; the two short sides miss one another
    assert iou(count_pixels(prediction, truth)) == pytest.approx(90 / 110)
    assert iou(counts) == pytest.approx(1 / 3)


def cldice_as_published(prediction, truth):
    """`clDice` of https://github.com/jocpae/clDice, on whole pictures."""

    def score(volume, skeleton):
        return np.sum(volume * skeleton) / np.sum(skeleton)

    precision, recall = score(truth, skeletonize(prediction)), score(prediction, skeletonize(truth))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@quick
@given(masks, masks)
def test_cldice_equals_the_published_code(prediction, truth):
    if prediction.any() and truth.any():
        assert match_f1(count_skeletons(prediction, truth)) == pytest.approx(cldice_as_published(prediction, truth))


def test_cldice_by_hand_forgives_width_and_punishes_a_gap():
    truth, wide, broken = (np.zeros((9, 30), bool) for _ in range(3))
    truth[4, 2:27] = True
    wide[3:6, 2:27] = True
    broken[4, 2:27] = True
    broken[4, 10:15] = False
    assert count_skeletons(wide, truth) == MatchCounts(23, 24, 25, 25)  # the band's own line turns off at its end
    assert count_skeletons(broken, truth) == MatchCounts(20, 20, 20, 25)
    assert iou(count_pixels(wide, truth)) == pytest.approx(1 / 3)


@quick
@given(masks)
def test_a_mask_agrees_with_itself(mask):
    assert match_f1(count_within(mask, mask, [2])[0]) == 1
    assert match_f1(count_skeletons(mask, mask)) == 1
    assert iou(count_boundaries(mask, mask)) == 1


@pytest.mark.parametrize(
    ("predicted", "true", "score"),
    [
        pytest.param(0, 0, 1.0, id="clean-wall-left-alone"),
        pytest.param(3, 0, 0.0, id="false-alarm-on-clean-wall"),
        pytest.param(0, 3, 0.0, id="defect-missed"),
    ],
)
def test_empty_sides(predicted, true, score):
    prediction, truth = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    prediction[0, :predicted], truth[0, :true] = True, True
    for counts in (*count_within(prediction, truth, [0, 5]), count_skeletons(prediction, truth)):
        assert [match_precision(counts), match_recall(counts), match_f1(counts), match_iou(counts)] == [score] * 4
    assert iou(count_boundaries(prediction, truth)) == score


def test_counts_of_two_photos_add_up_to_those_of_both_side_by_side():
    random = np.random.default_rng(0)
    first, second = random.random((2, 2, 8, 8)) > 0.7
    apart = np.zeros((2, 8, 10), bool)  # farther than the tolerance
    both = np.concatenate([first, apart, second], axis=2)
    assert count_within(*first, [2])[0] + count_within(*second, [2])[0] == count_within(*both, [2])[0]


@pytest.mark.parametrize(
    ("reference", "size_hw", "px"),
    [(2, (640, 640), 2), (5, (480, 640), 5), (2, (960, 1280), 4), (2, (320, 480), 1.5), (2, (100, 200), 1), (5, (1, 1), 1)],
)
def test_tolerance_follows_the_longer_side_and_never_falls_below_a_pixel(reference, size_hw, px):
    assert tolerance_px(reference, size_hw) == px


@quick
@given(masks, masks)
def test_the_crop_holds_everything_and_nothing_around_it(prediction, truth):
    a, b = crop_to_both(prediction, truth)
    assert (a.sum(), b.sum()) == (prediction.sum(), truth.sum())
    if a.size:
        assert all((a | b).any(axis=axis)[end] for axis in (0, 1) for end in (0, -1))
    else:
        assert not (prediction | truth).any()


def test_shapes_must_agree():
    for count in (count_skeletons, count_boundaries, lambda p, t: count_within(p, t, [1])):
        with pytest.raises(ValueError, match="differ in shape"):
            count(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


def test_one_missing_branch_costs_recall_alone():
    """Flood fill, written here, says how much of the truth lies in the branch that was not predicted."""
    trunk = draw_band(np.array([[20.0, 5], [20, 95]]), 2, (100, 100))
    truth = trunk | draw_band(np.array([[30.0, 50], [90, 50]]), 2, (100, 100))
    seen, queue = np.zeros_like(truth), deque([(50, 60)])
    while queue:
        y, x = queue.popleft()
        if 0 <= y < 100 and 0 <= x < 100 and truth[y, x] and not seen[y, x]:
            seen[y, x] = True
            queue.extend([(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)])
    (counts,) = count_within(trunk, truth, [2])
    assert match_precision(counts) == 1
    assert match_recall(counts) == pytest.approx(1 - seen.sum() / truth.sum())
