import numpy as np
import pytest

from core.errors import RequestError
from core.masks.mask import decode_rle, encode_rle

TRUTH = np.eye(4, 6, dtype=bool)
BAIT = np.zeros((4, 6), bool)


def mask_shown(store):
    return decode_rle(store.label(1).rle)


def test_reviewers_see_the_bait_and_the_data_set_keeps_the_truth(filled):
    filled.add_review(1, "accepted", "lead")
    filled.plant_honeypot(1, encode_rle(BAIT), "lead")
    assert np.array_equal(mask_shown(filled), BAIT)
    assert filled.sample(1).review_state == "to review"
    assert np.array_equal(decode_rle(filled.labels()[1].rle), TRUTH)
    name = filled.freeze_labels("with honeypot").name
    assert np.array_equal(decode_rle(filled.labels(name)[1].rle), TRUTH)


def test_each_reviewer_begins_at_the_bait(filled):
    filled.plant_honeypot(1, BAIT, "lead")
    filled.take(1, "ann")
    filled.save_label(1, ~TRUTH, based_on=2, author="ann", tool="brush")
    filled.take(1, "ann")  # renewing one's lease keeps one's work
    assert np.array_equal(mask_shown(filled), ~TRUTH)
    filled.add_review(1, "accepted", "ann")
    filled.take(1, "bob")
    assert np.array_equal(mask_shown(filled), BAIT)
    assert filled.sample(1).review_state == "in review"
    filled.add_review(1, "accepted", "bob")
    assert np.array_equal(decode_rle(filled.labels()[1].rle), TRUTH)


def test_lifting_makes_the_truth_visible_again(filled):
    filled.plant_honeypot(1, BAIT, "lead")
    filled.lift_honeypot(1, "lead")
    assert np.array_equal(mask_shown(filled), TRUTH)
    assert filled.sample(1).review_state == "accepted"
    assert not filled.honeypots()
    with pytest.raises(RequestError, match="sample 1 is not a honeypot"):
        filled.lift_honeypot(1, "lead")


def test_wrong_baits_are_refused(filled):
    with pytest.raises(RequestError, match="the mask is"):
        filled.plant_honeypot(1, np.zeros((2, 2), bool), "lead")
    assert not filled.honeypots()
    filled.plant_honeypot(1, BAIT, "lead")
    with pytest.raises(RequestError, match="a honeypot already"):
        filled.plant_honeypot(1, BAIT, "lead")
