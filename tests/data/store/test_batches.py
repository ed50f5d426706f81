import numpy as np
import pytest

from core.errors import LockedError, RequestError, StaleRevisionError
from core.masks.mask import decode_rle, encode_rle
from data.store.records import NewLabel

MASK = np.eye(4, 6, dtype=bool)
PROPOSAL = encode_rle(~MASK)


def proposals(*ids, based_on=1):
    return [NewLabel(sample_id, based_on, PROPOSAL) for sample_id in ids]


def test_a_bulk_action_is_undone_as_one(filled):
    filled.add_review(2, "skipped", "bob")
    batch = filled.accept_proposals(proposals(1, 2), author="ann", tool="model", comment="over 0.9")
    assert [filled.label(i).provenance for i in (1, 2)] == ["accepted proposal"] * 2
    assert {filled.label(i).batch for i in (1, 2)} == {batch.id}
    assert [s.review_state for s in filled.samples()] == ["accepted", "accepted", "to review"]
    assert filled.undo_batch(batch.id, "ann") == ([1, 2], [])
    for sample_id in (1, 2):
        assert np.array_equal(decode_rle(filled.label(sample_id).rle), MASK)
        assert [r.provenance for r in filled.revisions(sample_id)] == ["restored", "accepted proposal", "imported"]
    assert [s.review_state for s in filled.samples()] == ["to review", "skipped", "to review"]
    assert filled.batches()[0].undone_by == "ann"
    with pytest.raises(RequestError, match="was undone by ann before"):
        filled.undo_batch(batch.id, "bob")


def test_undoing_leaves_alone_what_was_changed_since(filled):
    batch = filled.accept_proposals(proposals(1, 2), author="ann", tool="model")
    filled.reopen(1, "bob")
    filled.save_label(1, np.zeros_like(MASK), based_on=2, author="bob", tool="eraser")
    assert filled.undo_batch(batch.id, "ann") == ([2], [1])
    assert filled.label(1).author == "bob"


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda s: s.save_label(2, ~MASK, based_on=1, author="bob", tool="brush"), StaleRevisionError),
        (lambda s: s.add_review(2, "accepted", "bob"), LockedError),
    ],
    ids=["somebody-saved", "somebody-accepted"],
)
def test_all_of_them_or_none(filled, spoil, error):
    spoil(filled)
    before = [filled.revisions(i) for i in (1, 2, 3)]
    with pytest.raises(error, match="sample 2"):
        filled.accept_proposals(proposals(1, 2, 3), author="ann", tool="model")
    assert [filled.revisions(i) for i in (1, 2, 3)] == before
    assert not filled.batches()


def test_nothing_chosen_and_unknown_actions_are_sentences(filled):
    with pytest.raises(RequestError, match="no proposal was chosen"):
        filled.accept_proposals([], author="ann", tool="model")
    with pytest.raises(RequestError, match="bulk action x is unknown"):
        filled.undo_batch("x", "ann")
