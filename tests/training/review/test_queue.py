import threading

import numpy as np
import pytest

from core.errors import RequestError
from data.store.queue import lot_of
from data.store.records import ImageRecord, LabelDoubt, NewSample
from training.review.queue import AUDIT, review_queue, take_next


def ids(queue):
    return [entry.sample_id for entry in queue]


def test_what_is_worth_most_comes_first_with_its_reasons(desk, add_run):
    add_run("r", {1: 0.9, 2: 0.45, 3: 0.1, 4: 0.8})
    desk.save_doubts([LabelDoubt("r", 2, 1, 0.9, 0.8, 0.1), LabelDoubt("r", 4, 1, 0.6, 0.1, 0.4, prompts_differ=0.5)])
    queue = review_queue(desk, audit_share=0)
    assert ids(queue) == [2, 3, 1, 4, 5, 6]
    reasons = [entry.reasons for entry in queue]
    assert reasons[0] == ("the model is sure of more: 80% of what it sees is not labelled", "IoU 0.450 with the prediction")
    assert reasons[1:4] == [
        ("IoU 0.100 with the prediction",),
        ("the label is boxes only",),
        ("synonyms differ by 50%", "the model does not see 40% of the label"),
    ]
    assert reasons[4] == ("not reviewed yet",)


def test_runs_that_differ_are_a_reason_of_the_newest_run(desk, add_run):
    add_run("old", {2: 0.1})
    add_run("new", {2: 0.9})
    desk.save_doubts([LabelDoubt("new", 2, 1, 0.1, 0.0, 0.0, runs_differ=0.6)])
    second = review_queue(desk, audit_share=0)[1]
    assert (second.sample_id, second.reasons, second.worth) == (2, ("two runs differ by 60%",), 0.3)


def test_scores_of_an_older_label_are_no_reason(desk, add_run):
    add_run("r", {3: 0.1})
    desk.save_label(3, np.ones((20, 30), bool), based_on=1, author="ann", tool="brush")
    desk.reopen(3, "ann")
    assert "IoU" not in next(entry for entry in review_queue(desk) if entry.sample_id == 3).reason


def test_decided_samples_leave_and_skipped_ones_go_last(desk, add_run):
    add_run("r", {2: 0.1, 3: 0.2})
    desk.add_review(2, "skipped", "ann")
    desk.add_review(4, "accepted", "ann")
    desk.add_review(5, "rejected", "ann")
    queue = review_queue(desk, audit_share=0)
    assert ids(queue) == [1, 3, 6, 2]
    assert queue[-1].reasons[-1] == "skipped before"


def test_the_audit_share_is_drawn_by_lot_and_stays_drawn(desk):
    drawn = {entry.sample_id for entry in review_queue(desk, audit_share=0.5) if AUDIT in entry.reasons}
    assert drawn == {number for number in range(1, 7) if lot_of(number) < 0.5}
    assert 0 < len(drawn) < 6
    undrawn = next(sample.id for sample in desk.samples() if sample.id not in drawn)
    desk.add_review(undrawn, "accepted", "ann")
    assert {e.sample_id for e in review_queue(desk, audit_share=0.5) if AUDIT in e.reasons} == drawn
    assert {e.sample_id for e in review_queue(desk, audit_share=0.5, kind="audit")} == drawn
    assert {e.sample_id for e in review_queue(desk, audit_share=1) if AUDIT in e.reasons} == {1, 2, 3, 4, 5, 6} - {undrawn}


def test_a_honeypot_looks_like_an_audit_and_waits_for_each_reviewer(desk):
    desk.add_review(4, "accepted", "lead")
    desk.plant_honeypot(4, np.zeros((20, 30), bool), "lead")
    entry = next(e for e in review_queue(desk, reviewer="ann", audit_share=0) if e.sample_id == 4)
    assert entry.reason == AUDIT
    desk.take(4, "ann")
    desk.add_review(4, "accepted", "ann")
    assert 4 not in ids(review_queue(desk, reviewer="ann"))
    assert 4 in ids(review_queue(desk, reviewer="bob"))


def test_what_others_hold_is_left_out(desk):
    desk.take(1, "bob")
    assert 1 not in ids(review_queue(desk, reviewer="ann"))
    assert 1 in ids(review_queue(desk, reviewer="bob"))


def test_take_next_passes_over_what_others_hold_and_goes_round(desk):
    queue = review_queue(desk, audit_share=0)
    desk.take(queue[0].sample_id, "bob")
    assert take_next(desk, "ann", audit_share=0).sample_id == queue[1].sample_id
    assert take_next(desk, "ann", audit_share=0, after=queue[2].place).sample_id == queue[3].sample_id
    assert take_next(desk, "ann", audit_share=0, after=queue[-1].place).sample_id == queue[1].sample_id
    assert take_next(desk, "ann", audit_share=0, but=queue[1].sample_id).sample_id == queue[2].sample_id
    with pytest.raises(RequestError, match="name is missing"):
        take_next(desk, " ")
    for entry in queue:
        desk.release(entry.sample_id, "ann")
        desk.release(entry.sample_id, "bob")
        desk.take(entry.sample_id, "cat")
    assert take_next(desk, "ann") is None


def test_six_who_ask_at_once_get_six_samples(desk):
    barrier, got = threading.Barrier(6), []

    def ask(name):
        barrier.wait()
        got.append(take_next(desk, name).sample_id)

    threads = [threading.Thread(target=ask, args=(f"r{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1, 2, 3, 4, 5, 6]


def test_a_sample_without_a_label_is_worth_most(desk):
    desk.add_images([ImageRecord("h9", "images/h9.jpg", 20, 30)])
    desk.add_samples([NewSample("h9", "cracks", "9.jpg", "train", False, None)])
    first = review_queue(desk, audit_share=0)[0]
    assert (first.sample_id, first.reasons, first.worth) == (7, ("no label yet",), 1.0)


def test_what_somebody_sent_stands_first_and_leaves_with_the_decision(desk):
    desk.add_review(5, "accepted", "ann")
    desk.send_to_review([5], "bob", "the ends look wrong")
    first = review_queue(desk, audit_share=0)[0]
    assert (first.sample_id, first.reasons[0]) == (5, "sent by bob")
    assert review_queue(desk, kind="sent", audit_share=0)[0].sample_id == 5
    desk.add_review(5, "accepted", "ann")
    desk.reopen(5, "ann")
    assert "sent" not in next(entry for entry in review_queue(desk) if entry.sample_id == 5).reason
