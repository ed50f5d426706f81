import numpy as np
import pytest
from scipy.special import softmax

from core.metrics.label_doubt import doubt

LABEL = np.zeros((40, 60), bool)
LABEL[18:22, 5:55] = True


def probs_of(mask, inside=250, outside=5):
    return np.where(mask, inside, outside).astype(np.uint8)


def test_the_score_is_the_papers_soft_minimum():
    random = np.random.default_rng(0)
    probs, label = random.integers(0, 256, (30, 50)).astype(np.uint8), random.random((30, 50)) > 0.7
    own = np.where(label, (probs + 0.5) / 256, 1 - (probs + 0.5) / 256).ravel()
    assert doubt(probs, label).noise == pytest.approx(1 - own @ softmax((1 - own) / 0.1))  # over pixels, not histograms


def test_agreement_is_no_doubt():
    found = doubt(probs_of(LABEL), LABEL)
    assert found.noise < 0.05
    assert found.missed == 0
    assert found.unsupported < 0.05


def test_a_line_the_label_misses_is_doubted_from_that_side():
    half = LABEL.copy()
    half[:, 30:] = False
    found = doubt(probs_of(LABEL), half)
    assert found.noise > 0.8
    assert found.missed > 0.3
    assert found.unsupported < 0.05


def test_a_box_round_a_thin_line_is_doubted_from_the_other():
    box = np.zeros_like(LABEL)
    box[5:35, 5:55] = True
    found = doubt(probs_of(LABEL), box)
    assert found.noise > 0.9
    assert found.missed == 0
    assert found.unsupported == pytest.approx(26 / 30, abs=0.05)


def test_a_short_missed_crack_counts_more_than_a_mean_would_say():
    clean = np.zeros((400, 400), bool)
    crack = clean.copy()
    crack[200:202, 100:150] = True
    assert doubt(probs_of(crack), clean).noise > 5 * (100 / 400**2)
    assert doubt(probs_of(crack), clean).noise > 10 * doubt(probs_of(clean), clean).noise


@pytest.mark.parametrize("label", [np.zeros((4, 4), bool), np.ones((4, 4), bool)], ids=["empty", "full"])
def test_empty_and_full_labels_have_a_score(label):
    found = doubt(np.zeros((4, 4), np.uint8), label)
    assert 0 <= min(vars(found).values()) <= max(vars(found).values()) <= 1


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        doubt(np.zeros((4, 4), np.uint8), np.zeros((4, 5), bool))
