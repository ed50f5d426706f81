"""The queue kept in the database, held against what every sample says of itself: after any history of changes."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core.masks.mask import encode_rle
from data.store import tables as t
from data.store.generated import fill_store
from data.store.queue import DECIDED, KINDS, QueueFilter, QueuePlace, lot_of, renew_standings
from data.store.records import ImageRecord, NewSample, Score
from data.store.store import Store

MANY = 24
CHANGES = ("save", "accept", "reject", "skip", "reopen", "send", "score", "honeypot", "split")


def filled(path):
    store, rle = Store(path), encode_rle(np.eye(8, dtype=bool))
    store.add_images(ImageRecord(f"h{n}", f"images/h{n}.png", 8, 8) for n in range(MANY))
    names, splits = ("cracks", "taping"), ("train", "val", "test")
    store.add_samples(
        NewSample(f"h{n}", names[n % 2], f"{n}.png", splits[n % 3], n % 4 == 1, rle if n % 7 else None) for n in range(MANY)
    )
    label_set = store.freeze_labels("s").name
    store.create_run("r", name="r", checkpoint="c", label_set=label_set, config={})
    return store


def change(store, kind, sample_id, value):
    sample = store.sample(sample_id)
    if kind == "save" and sample.review_state != "accepted":
        mask = np.zeros((8, 8), bool)
        mask[: value % 8] = True
        store.save_label(sample_id, mask, based_on=sample.revision, author="ann", tool="brush")
    elif kind in ("reject", "skip") and sample.review_state != "accepted":
        store.add_review(sample_id, {"reject": "rejected", "skip": "skipped"}[kind], "ann")
    elif kind == "accept":
        store.add_review(sample_id, "accepted", "ann")
    elif kind == "reopen":
        store.reopen(sample_id, "ann")
    elif kind == "send":
        store.send_to_review([sample_id], "bob")
    elif kind == "score":
        values = dict.fromkeys(("iou", "dice", "precision", "recall"), value / 40)
        store.save_scores([Score("r", sample_id, sample.split, sample.revision, 0.5, 1, 1, 1, 1, values)])
    elif kind == "honeypot" and sample.revision and sample_id not in store.honeypots():
        store.plant_honeypot(sample_id, np.zeros((8, 8), bool), "lead")
    elif kind == "split":
        names = ("train", "val", "test")
        store.set_groups_and_splits({sample_id: f"g{value % 3}"}, {sample_id: names[value % 3]})


histories = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(1, MANY), st.integers(0, 40)), max_size=25)


@settings(max_examples=25)
@given(histories)
def test_whatever_happens_the_slots_count_and_the_queue_is_in_order(tmp_path_factory, history):
    store = filled(tmp_path_factory.mktemp("queue") / "qa.db")
    for kind, sample_id, value in history:
        change(store, kind, sample_id, value)
    samples, standings = store.samples(), store.standings(range(1, MANY + 1))
    expected = Counter((s.class_name, s.split, s.review_state) for s in samples)
    assert {(a, b, c): n for a, b, c, n in store.counts().itertuples(index=False, name=None)} == expected
    assert {s.id: s.is_box for s in samples} == {number: one.is_box for number, one in standings.items()}
    waiting = [one for one in standings.values() if one.kind != DECIDED]
    assert store.waiting_count() == len(waiting)
    wanted = QueueFilter(audit_share=0.3)
    queue = store.waiting(wanted)
    assert sorted(number for number, _ in queue) == sorted(one.sample_id for one in waiting)
    by_worth = [
        standings[number]
        for number, _ in queue
        if standings[number].review_state == "to review" and not standings[number].honeypot and lot_of(number) >= 0.3
    ]
    assert by_worth == sorted(by_worth, key=lambda one: (-one.worth, one.sample_id))
    pages, after = [], None
    while page := store.waiting(wanted, 5, after):
        pages += page
        after = QueuePlace.from_text(str(page[-1][1]))
    assert pages == queue
    crossing = Counter(group for group, _ in {(s.group, s.split) for s in samples if s.group})
    assert store.leaking_groups() == sum(splits > 1 for splits in crossing.values())
    boxes = [s.id for s in samples if s.is_box and s.review_state == "to review"]
    assert store.boxes_to_review() == (len(boxes), min(boxes, default=None))
    store.close()


def test_drawn_samples_stand_at_even_distances(tmp_path):
    store = fill_store(tmp_path / "qa.db", 400, ("fine",))
    wanted = QueueFilter("cracks", audit_share=0.2)
    drawn = [lot_of(number) < 0.2 for number, _ in store.waiting(wanted, 50)]
    assert [place for place, by_lot in enumerate(drawn) if by_lot] == list(range(4, 50, 5))
    assert store.waiting_count(wanted) == 200
    assert store.waiting_count(QueueFilter(kind="low IoU")) == sum(store.scores("generated")["iou"] < 0.5)
    store.close()


def test_a_generated_store_stands_as_the_rules_have_it(tmp_path):
    store = fill_store(tmp_path / "qa.db", 200, ("fine",))
    row = t.SampleRow
    with store._write("fill") as session:
        before = session.execute(select(row.id, row.slot, row.worth, row.lot)).all()
        renew_standings(session, [one.id for one in before])
        assert session.execute(select(row.id, row.slot, row.worth, row.lot)).all() == before
    store.close()


def test_a_place_survives_as_text():
    place = QueuePlace(3, 0.8, 12, 0.25, 7)
    assert QueuePlace.from_text(str(place)) == place
    assert math.isinf(QueuePlace.from_text(str(place)).skipped)
    assert QueuePlace.from_text("") is None
    assert QueuePlace.from_text("a~b") is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "audit"])
def test_a_filter_of_each_kind_finds_those_alone(tmp_path, kind):
    store = filled(tmp_path / "qa.db")
    for number in range(1, MANY, 5):
        change(store, "score", number, 2)
    store.send_to_review([2], "bob")
    found = store.waiting(QueueFilter(kind=kind, audit_share=0))
    assert {number for number, _ in found} == {n for n, one in store.standings(range(1, MANY + 1)).items() if one.kind == kind}
    store.close()
