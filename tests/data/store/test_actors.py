"""Roles, enforced by the store itself: every method that writes, tried with every role; and the log that is only added to."""

import inspect
import sqlite3
from datetime import UTC, datetime

import numpy as np
import pytest

from core.errors import RequestError
from core.masks.mask import encode_rle
from data.store.actors import ACTIONS, ROLES, UNLOGGED, Actor, NotAllowedError
from data.store.drafts import Draft
from data.store.records import ImageRecord, ImportReport, NewLabel, NewSample, Score
from data.store.store import Store

READS = {
    "acting_as", "actor", "audit", "batches", "boxes_to_review", "close", "counts", "current_label_set", "doubts", "draft", "edition",
    "history", "honeypots", "images", "label", "label_set", "label_sets", "labels", "last_import", "leaking_groups", "leases",
    "newest_score", "overlaps", "page_of_scores", "quality", "reviews", "revisions", "roles", "run", "runs", "sample", "samples",
    "scored_runs", "scores", "slots", "standings", "tagged", "tags", "unmeasured", "views", "waiting", "waiting_count",
}  # fmt: skip
EMPTY = np.zeros((8, 8), bool)
METRICS = dict.fromkeys(("iou", "dice", "precision", "recall"), 0.5)
NOW = datetime.now(UTC)


def filled(path):
    store, rle = Store(path), encode_rle(np.eye(8, dtype=bool))
    store.add_images(ImageRecord(f"h{n}", f"images/h{n}.png", 8, 8) for n in range(4))
    store.add_samples(NewSample(f"h{n}", "cracks", f"{n}.png", "test", False, rle) for n in range(4))
    store.create_run("r", name="r", checkpoint="c", label_set=store.freeze_labels("s").name, config={})
    store.save_label(1, EMPTY, based_on=1, author="x", tool="brush")
    store.add_review(2, "accepted", "x")
    store.plant_honeypot(3, EMPTY, "x")
    store.accept_proposals([NewLabel(4, 1, rle)], author="x", tool="model")
    return store


CALLS = {
    "save_label": lambda s: s.save_label(1, EMPTY, based_on=s.sample(1).revision, author="mallory", tool="brush"),
    "restore": lambda s: s.restore(1, 1, based_on=s.sample(1).revision, author="mallory"),
    "add_review": lambda s: s.add_review(1, "skipped", "mallory"),
    "reopen": lambda s: s.reopen(2, "mallory"),
    "take": lambda s: s.take(1, "mallory"),
    "release": lambda s: s.release(1, "mallory"),
    "add_strokes": lambda s: s.add_strokes(1, "mallory", 2, []),
    "drop_draft": lambda s: s.drop_draft(Draft(1, "m", 1, [], 0, NOW)),
    "rebase_draft": lambda s: s.rebase_draft(Draft(1, "m", 1, [], 0, NOW), EMPTY, 1),
    "accept_proposals": lambda s: s.accept_proposals(
        [NewLabel(1, s.sample(1).revision, encode_rle(EMPTY))], author="m", tool="model"
    ),
    "undo_batch": lambda s: s.undo_batch(s.batches()[0].id, "mallory"),
    "send_to_review": lambda s: s.send_to_review([2], "mallory"),
    "tag": lambda s: s.tag([1], "t"),
    "untag": lambda s: s.untag([1], "t"),
    "save_view": lambda s: s.save_view("v", "failures", {}, "mallory"),
    "drop_view": lambda s: s.drop_view("v"),
    "set_scale": lambda s: s.set_scale("h0", 2.0, "mallory"),
    "save_quality": lambda s: s.save_quality([], []),
    "freeze_labels": lambda s: s.freeze_labels("other"),
    "create_run": lambda s: s.create_run("q", name="q", checkpoint="c", label_set="s", config={}),
    "update_run": lambda s: s.update_run("r", name="other"),
    "delete_run": lambda s: s.delete_run("r"),
    "save_scores": lambda s: s.save_scores([Score("r", 1, "test", 1, 0.5, 1, 1, 1, 1, METRICS)]),
    "save_doubts": lambda s: s.save_doubts([]),
    "add_images": lambda s: s.add_images([]),
    "add_samples": lambda s: s.add_samples([]),
    "save_import": lambda s: s.save_import(ImportReport("x", NOW, [])),
    "set_groups_and_splits": lambda s: s.set_groups_and_splits({1: "g"}, {1: "val"}),
    "plant_honeypot": lambda s: s.plant_honeypot(2, EMPTY, "mallory"),
    "lift_honeypot": lambda s: s.lift_honeypot(3, "mallory"),
    "set_role": lambda s: s.set_role("x@example.org", "viewer"),
}


def test_every_method_of_the_store_is_known_to_read_or_to_write():
    public = {name for name, _ in inspect.getmembers(Store) if not name.startswith("_")}
    assert public == READS | set(CALLS)
    assert set(ACTIONS) - {"fill"} == set(CALLS)


@pytest.mark.parametrize("action", sorted(CALLS))
def test_a_write_goes_as_far_as_the_role(tmp_path, action):
    store, needed = filled(tmp_path / "qa.db"), ROLES.index(ACTIONS[action])
    for role in ("", *ROLES[:needed]):
        before, log = dump(tmp_path / "qa.db"), len(store.audit())
        with pytest.raises(NotAllowedError, match=f"needs the role {ACTIONS[action]}"):
            CALLS[action](store.acting_as(Actor("mallory@example.org", role)))
        assert dump(tmp_path / "qa.db") == before
        assert len(store.audit()) == log
    CALLS[action](store.acting_as(Actor("ann@example.org", ROLES[needed])))
    newest = store.audit(1)[0]
    if action not in UNLOGGED:
        assert (newest.actor, newest.role, newest.action) == ("ann@example.org", ROLES[needed], action)
    store.close()


def dump(path):
    with sqlite3.connect(path) as connection:
        return list(connection.iterdump())


def test_who_signed_in_is_the_author_whatever_name_is_typed(tmp_path):
    store = filled(tmp_path / "qa.db")
    ann = store.acting_as(Actor("ann@example.org", "reviewer"))
    assert CALLS["save_label"](ann).author == "ann@example.org"
    assert CALLS["add_review"](ann).reviewer == "ann@example.org"
    assert store.acting_as(Actor()).actor == store.actor
    store.close()


def test_the_log_is_only_added_to(tmp_path):
    store = filled(tmp_path / "qa.db")
    assert store.audit()[0].id > 1
    with sqlite3.connect(tmp_path / "qa.db") as connection:
        for statement in ("UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                connection.execute(statement)
    store.close()


def test_roles_are_given_and_taken(tmp_path):
    store = Store(tmp_path / "qa.db")
    store.set_role(" Ann@Example.org ", "trainer")
    store.set_role("bob@example.org", "viewer")
    store.set_role("bob@example.org", None)
    assert store.roles() == {"ann@example.org": "trainer"}
    for email, role in (("nobody", "viewer"), ("a@b", "king")):
        with pytest.raises(RequestError):
            store.set_role(email, role)
    store.close()


def test_reading_changes_nothing_and_waits_for_nobody(tmp_path):
    store = filled(tmp_path / "qa.db")
    with store._read() as session, pytest.raises(Exception, match="readonly"):
        session.connection().exec_driver_sql("DELETE FROM samples")
    writer = sqlite3.connect(tmp_path / "qa.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE samples SET split = 'val'")
    assert {sample.split for sample in store.samples()} == {"test"}
    assert store.counts()["samples"].sum() == 4
    writer.execute("ROLLBACK")
    writer.close()
    store.close()
