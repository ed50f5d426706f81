import pytest

from data.records import Score
from training.overview import attention
from training.review import QueueEntry, next_in_queue, review_queue


@pytest.fixture
def scored(store):
    name = store.freeze_labels("first").name
    store.create_run("r", name="n", checkpoint="compact", label_set=name, config={})
    first, second = store.samples()[:2]
    store.save_scores(
        [Score("r", s.id, s.split, 1, 0.5, 1, 1, 1, 1, v, v, v, v) for s, v in ((first, 0.2), (second, 0.1))]
    )
    return store


def test_worst_samples_come_first_then_boxes_then_the_rest(scored):
    queue = review_queue(scored)
    assert [entry.sample_id for entry in queue[:2]] == [2, 1]
    assert "IoU 0.10" in queue[0].reason
    reasons = [entry.reason for entry in queue[2:]]
    assert reasons == sorted(reasons, key=lambda reason: reason != "the label is boxes only")


def test_decided_samples_leave_the_queue_and_skipped_ones_go_last(scored):
    scored.add_review(2, "accepted", "ann")
    last = review_queue(scored)[-1].sample_id
    scored.add_review(last, "skipped", "ann")
    queue = review_queue(scored)
    assert 2 not in [entry.sample_id for entry in queue]
    assert queue[0].sample_id == 1


@pytest.mark.parametrize(("at", "following"), [(5, 7), (7, 9), (9, 5), (99, 5)])
def test_next_goes_round(at, following):
    assert next_in_queue([QueueEntry(i, "") for i in (5, 7, 9)], at) == following


def test_nothing_else_waits():
    assert next_in_queue([QueueEntry(5, "")], 5) is None
    assert next_in_queue([], 5) is None


def test_attention_names_boxes_and_low_scores(scored):
    titles = [item.title for item in attention(scored)]
    assert any("labels are boxes only" in title for title in titles)
    assert "2 test samples have an IoU below 0.3" in titles
    assert "Nothing was trained on these labels yet" in titles
