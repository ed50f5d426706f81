import time

import numpy as np
import pytest

from core.errors import RequestError
from core.masks.mask import decode_rle
from training.review.reviewers import agreement, answered_honeypots, honeypot_scores, plant_honeypots, throughput

TRUTH = np.zeros((20, 30), bool)
TRUTH[8:12, 5:25] = True
HALF = TRUTH & (np.arange(30) < 15)


def save(store, sample, mask, author):
    return store.save_label(sample, mask, based_on=store.sample(sample).revision, author=author, tool="brush")


def test_a_reviewers_mask_is_scored_against_the_known_truth(desk):
    desk.plant_honeypot(2, HALF, "lead")
    desk.take(2, "ann")
    save(desk, 2, TRUTH, "ann")
    desk.add_review(2, "accepted", "ann")
    desk.take(2, "bob")  # bob sees the bait and lets it pass
    desk.add_review(2, "accepted", "bob")
    desk.take(2, "cat")
    desk.add_review(2, "skipped", "cat")
    table = honeypot_scores(desk).set_index("reviewer")
    assert table["iou"].to_dict() == {"ann": 1.0, "bob": 0.5}
    assert table["bait_iou"].to_list() == [0.5, 0.5]
    assert answered_honeypots(desk, "bob") == {2}
    assert answered_honeypots(desk, "cat") == set()


def test_planting_takes_accepted_human_labels_only(desk):
    with pytest.raises(RequestError, match="accept some labels first"):
        plant_honeypots(desk, 1, "lead")
    save(desk, 1, HALF, "ann")  # label 1 came in whole: the bait is what was before
    save(desk, 3, ~TRUTH, "ann")
    for sample in (1, 2, 3):
        desk.add_review(sample, "accepted", "ann")
    desk.reopen(3, "lead")
    assert plant_honeypots(desk, 1.0, "lead") == [1, 2]
    baits = {number: decode_rle(honeypot.bait) for number, honeypot in desk.honeypots().items()}
    assert np.array_equal(baits[1], TRUTH)
    assert np.array_equal(baits[2], HALF)  # nothing older differs, so half of the truth is missing
    assert len(desk.honeypots()) == 2


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_a_share_is_a_share(desk, share):
    with pytest.raises(RequestError, match="share of honeypots"):
        plant_honeypots(desk, share, "lead")


def test_agreement_is_the_iou_of_the_last_masks_of_two(desk):
    save(desk, 1, np.zeros_like(TRUTH), "ann")
    save(desk, 1, TRUTH, "ann")
    save(desk, 1, HALF, "bob")
    save(desk, 2, TRUTH, "ann")  # of one person only
    table = agreement(desk)
    assert table[["sample_id", "reviewer", "other", "iou", "blind"]].to_numpy().tolist() == [[1, "ann", "bob", 0.5, False]]
    desk.plant_honeypot(3, HALF, "lead")
    for name, mask in (("ann", TRUTH), ("bob", TRUTH)):
        desk.take(3, name)
        save(desk, 3, mask, name)
        desk.add_review(3, "accepted", name)
    assert agreement(desk).set_index("sample_id").loc[3, ["iou", "blind"]].to_list() == [1.0, True]


def test_the_truth_of_a_honeypot_is_no_answer_to_it(desk):
    save(desk, 3, TRUTH, "bob")
    desk.plant_honeypot(3, HALF, "lead")
    desk.take(3, "ann")
    save(desk, 3, TRUTH, "ann")
    assert agreement(desk).empty


def test_throughput_counts_decisions_and_times_them(desk):
    assert throughput(desk).empty
    for sample in (1, 2):
        desk.take(sample, "ann")
        time.sleep(1.05)  # a look
        desk.add_review(sample, "accepted", "ann")
    desk.add_review(3, "skipped", "bob")
    desk.take(4, "eve")
    desk.add_review(4, "skipped", "eve")
    table = throughput(desk).set_index("reviewer")
    assert table.loc["ann", ["decisions", "accepted", "skipped", "samples"]].to_list() == [2, 2, 0, 2]
    assert 1 < table.loc["ann", "median_seconds"] < 30
    assert table.loc["ann", "per_hour"] == pytest.approx(3600 / table.loc["ann", "median_seconds"])
    assert np.isnan(table.loc["bob", "median_seconds"])
    assert np.isnan(table.loc["eve", "per_hour"])  # in no time at all
