"""A label is still a box if it shows what was imported as one, whatever its revision's number; every reader says the same."""

import numpy as np
import pytest

from core.masks.mask import decode_rle, encode_rle
from core.settings import LabelSettings
from data.store.records import NewLabel
from training.review.attention import attention
from training.review.proposals import seam_proposals
from training.review.queue import review_queue
from training.review.tight_labels import SEAM_CLASS
from training.runs.execution import examples
from training.runs.provenance import data_facts

BOX, BAND = 1, np.zeros((20, 30), bool)
BAND[9:11, 5:25] = True


def undone(store, sample_id=BOX, band=BAND):
    batch = store.accept_proposals([NewLabel(sample_id, 1, encode_rle(band))], author="Ann", tool="seam")
    store.undo_batch(batch.id, "Ann")


def restored(store, sample_id=BOX, band=BAND):
    store.save_label(sample_id, band, based_on=1, author="Ann", tool="editor")
    store.restore(sample_id, 1, based_on=2, author="Ann")
    store.reopen(sample_id, "Ann")


def drawn_again(store, sample_id=BOX, band=BAND):
    """The very box, by hand."""
    store.save_label(sample_id, band, based_on=1, author="Ann", tool="editor")
    first = store.label(sample_id, 1).rle
    store.save_label(sample_id, decode_rle(first), based_on=2, author="Ann", tool="editor")
    store.reopen(sample_id, "Ann")


def fixed(store, sample_id=BOX, band=BAND):
    store.save_label(sample_id, band, based_on=1, author="Ann", tool="editor")
    store.reopen(sample_id, "Ann")


def corrected_to_a_drawing_and_back(store, sample_id=BOX, band=BAND):
    """Revision 4 is the drawing of revision 2 again: no box."""
    restored(store, sample_id, band)
    store.restore(sample_id, 2, based_on=3, author="Ann")
    store.reopen(sample_id, "Ann")


HISTORIES = [
    pytest.param(lambda *_: None, True, id="as-imported"),
    pytest.param(undone, True, id="bulk-action-undone"),
    pytest.param(restored, True, id="revision-1-restored"),
    pytest.param(drawn_again, True, id="the-same-drawn-again"),
    pytest.param(fixed, False, id="fixed"),
    pytest.param(corrected_to_a_drawing_and_back, False, id="the-fix-restored"),
]


@pytest.mark.parametrize(("history", "is_box"), HISTORIES)
def test_every_reader_tells_a_box_alike(desk, add_run, history, is_box):
    history(desk)
    add_run("r", dict.fromkeys(range(1, 7), 0.9))
    assert desk.sample(BOX).is_box == is_box
    assert desk.scores("r").set_index("sample_id")["is_box"].to_dict() == {BOX: is_box} | dict.fromkeys(range(2, 7), False)
    facts = data_facts(desk)
    assert (facts["box_only"], facts["corrected"]) == (int(is_box), int(not is_box))
    entry = next(entry for entry in review_queue(desk) if entry.sample_id == BOX)
    assert ("the label is boxes only" in entry.reasons) == is_box
    assert any("boxes only" in item.title for item in attention(desk)) == is_box


@pytest.mark.parametrize(("history", "is_box"), [HISTORIES[1], HISTORIES[4]])
def test_seams_are_proposed_and_trained_in_what_is_still_a_box(workspace, store, history, is_box):
    sample = next(s for s in store.samples(class_name=SEAM_CLASS) if s.is_box)
    history(store, sample.id, np.eye(*sample.size_hw, dtype=bool))
    assert (sample.id in {proposal.sample.id for proposal in seam_proposals(workspace)}) == is_box
    name = store.freeze_labels("frozen").name
    taken = examples(workspace, workspace.store.samples(split=sample.split), name, LabelSettings(boxes="proposal"))
    label = store.labels(name)[sample.id].rle
    assert (next(e.rle for e in taken if e.sample_id == sample.id) != label) == is_box


def test_a_score_tells_of_the_label_it_was_made_against(desk, add_run):
    add_run("before", {BOX: 0.5})
    fixed(desk)
    add_run("after", {BOX: 0.5})
    assert desk.scores("before")["is_box"].tolist() == [True]
    assert desk.scores("after")["is_box"].tolist() == [False]


def test_a_honeypot_is_a_box_if_its_truth_is(desk):
    desk.plant_honeypot(BOX, BAND, "Lead")
    assert desk.sample(BOX).is_box
    desk.lift_honeypot(BOX, "Lead")
    desk.reopen(BOX, "Lead")
    assert desk.sample(BOX).is_box
    fixed_number = desk.sample(BOX).revision
    desk.save_label(BOX, BAND, based_on=fixed_number, author="Ann", tool="editor")
    desk.plant_honeypot(BOX, desk.label(BOX, 1).rle, "Lead")  # the bait is the box, the truth is not
    assert not desk.sample(BOX).is_box
    assert desk.label(BOX).as_imported
    assert data_facts(desk)["corrected"] == 1
