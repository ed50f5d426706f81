"""Provenance, locking and restoring; saving itself is in test_store.py."""

import numpy as np
import pytest

from core.errors import LockedError, RequestError, StaleRevisionError
from core.masks.mask import decode_rle
from data.store.records import Score

MASK = np.eye(4, 6, dtype=bool)


def save(store, mask, based_on, sample=1, provenance="drawn"):
    return store.save_label(sample, mask, based_on=based_on, author="ann", tool="brush", provenance=provenance)


@pytest.mark.parametrize(
    ("provenance", "human"), [("imported", True), ("drawn", True), ("edited proposal", False), ("accepted proposal", False)]
)
def test_a_mask_says_where_it_is_from(filled, provenance, human):
    saved = save(filled, ~MASK, 1, provenance=provenance)
    assert (saved.provenance, saved.human_made) == (provenance, human)
    assert filled.label(1) == saved


def test_an_unknown_provenance_is_refused(filled):
    with pytest.raises(RequestError, match="provenance guessed is unknown; use one of imported, drawn"):
        save(filled, MASK, 1, provenance="guessed")


def test_a_restored_revision_is_a_new_one_with_the_old_mask(filled):
    save(filled, ~MASK, 1, provenance="accepted proposal")
    save(filled, np.zeros_like(MASK), 2)
    restored = filled.restore(1, 2, based_on=3, author="bob")
    assert (restored.number, restored.parent, restored.provenance, restored.author) == (4, 3, "restored", "bob")
    assert np.array_equal(decode_rle(restored.rle), ~MASK)
    assert not restored.human_made  # what it restores was a proposal
    assert filled.restore(1, 1, based_on=4, author="bob").human_made
    assert filled.reviews(1)[0].comment == "revision 1 restored"
    with pytest.raises(StaleRevisionError):
        filled.restore(1, 1, based_on=4, author="bob")
    with pytest.raises(RequestError, match="no label revision 77"):
        filled.restore(1, 77, based_on=5, author="bob")


def test_an_accepted_label_is_locked_until_reopened(filled):
    filled.add_review(1, "accepted", "ann")
    for change in (
        lambda: save(filled, ~MASK, 1),
        lambda: filled.restore(1, 1, based_on=1, author="ann"),
        lambda: filled.add_review(1, "rejected", "bob"),
    ):
        with pytest.raises(LockedError, match="sample 1 is accepted and locked; reopen it"):
            change()
    assert len(filled.revisions(1)) == 1
    filled.reopen(1, "bob", "the joint goes on")
    assert save(filled, ~MASK, 1).number == 2
    assert [(r.state, r.reviewer) for r in filled.reviews(1)] == [("fixed", "ann"), ("to review", "bob"), ("accepted", "ann")]


def test_scores_know_whether_their_label_is_human_made(filled):
    save(filled, ~MASK, 1, sample=2, provenance="accepted proposal")
    filled.create_run("r", name="n", checkpoint="c", label_set=filled.freeze_labels("s").name, config={})
    filled.save_scores(
        [
            Score("r", i, "test", r, 0.5, 1, 1, 1, 1, dict.fromkeys(("iou", "dice", "precision", "recall"), 0.5))
            for i, r in ((1, 1), (2, 2))
        ]
    )
    assert filled.scores("r")[["sample_id", "provenance", "human_made"]].to_numpy().tolist() == [
        [1, "imported", True],
        [2, "accepted proposal", False],
    ]


def test_a_label_set_needs_a_name(filled):
    with pytest.raises(RequestError, match="needs a name"):
        filled.freeze_labels("  ")
