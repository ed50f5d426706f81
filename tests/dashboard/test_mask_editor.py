"""The editor's save and draft paths with a real store: what a browser sends, twice, late or after a restart, and what is kept."""

import zlib
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.errors import StaleRevisionError
from core.masks.mask import decode_rle
from core.masks.strokes import patch_between
from core.photos import read_photo
from dashboard import mask_editor
from dashboard.gallery import probs_of
from dashboard.mask_editor import RENEW_SECONDS, Prediction, make_ready, open_sample, save_draft, text_of
from data.store.drafts import Stroke
from training.review.tight_labels import seams_of
from training.runs.opened import OpenedRun


class Browser:
    """One browser: what it was shown last, the mask it has, and what it sends. `session` is Streamlit's of this browser."""

    def __init__(self, desk, name):
        self.desk, self.name, self.session, self.clock = desk, name, {}, 0.0

    def open(self, sample, prediction=None):
        self.desk.use(self)
        store = self.desk.store
        self.opening = open_sample(self.desk.workspace, store.sample(sample.id), self.name, prediction)
        self.look()
        label = decode_rle(self.desk.served(self.data["label"], as_json=True))
        self.mask, self.number, self.unsent = label.copy(), self.data["acked"][self.data["load"]], []
        return self

    def look(self, locked=None):
        self.desk.use(self)
        mask_editor.show_canvas(self.desk.workspace, self.opening, locked)
        self.data, self.receive = self.desk.shown

    def draw(self, rows, value=True, tool="brush"):
        """A stroke that sets or clears whole rows; it is not sent yet."""
        before = self.mask.copy()
        self.mask[rows] = value
        return self._stroke(before, tool, undo=False)

    def undo(self, to):
        before, self.mask = self.mask, to.copy()
        return self._stroke(before, "brush", undo=True)

    def _stroke(self, before, tool, undo):
        self.number += 1
        text = text_of(Stroke(tool, undo, patch_between(before, self.mask)))
        self.unsent.append({**text, "n": self.number, "load": self.data["load"]})
        return self.unsent[-1]

    def send(self, strokes=None, ask=None):
        """Strokes, by default those not acknowledged yet, as the component's callback gets them."""
        self.desk.use(self)
        sent = self.unsent if strokes is None else strokes
        st.session_state[mask_editor.KEY] = {"message": {"strokes": sent, "ask": ask}}
        self.receive()
        self.look()
        acked = self.data["acked"]
        self.unsent = [stroke for stroke in self.unsent if stroke["n"] > acked.get(stroke["load"], 0)]
        return self

    def save(self, comment=""):
        self.desk.use(self)
        save_draft(self.desk.store, self.opening, comment)
        self.look()


class Desk:
    def __init__(self, workspace, served, monkeypatch):
        self.workspace, self.store, self.served, self._patch = workspace, workspace.store, served, monkeypatch
        monkeypatch.setattr(mask_editor, "mask_canvas", self._show)

    def use(self, browser):
        self._patch.setattr(st, "session_state", browser.session)
        self._patch.setattr(mask_editor, "time", SimpleNamespace(monotonic=lambda: browser.clock))

    def _show(self, *, key, data, on_message_change):
        self.shown = data, on_message_change

    def label(self, sample, number=None):
        return decode_rle(self.store.label(sample.id, number).rle)


@pytest.fixture
def desk(workspace, store, served, monkeypatch):
    return Desk(workspace, served, monkeypatch)


@pytest.fixture
def ann(desk):
    return Browser(desk, "Ann")


@pytest.fixture
def sample(store):
    """An empty wall label would do as well: rows 0..19 are clear in it."""
    found = store.samples(class_name="cracks")[0]
    mask = decode_rle(store.label(found.id).rle)
    mask[:20] = False
    store.save_label(found.id, mask, based_on=1, author="setup", tool="editor")
    return store.sample(found.id)


def rows(mask):
    return np.flatnonzero(mask[:20].all(axis=1)).tolist()


def test_a_sample_is_shown_with_its_photo_its_label_and_no_draft(ann, desk, store):
    sample = next(s for s in store.samples() if s.box_only)
    data = ann.open(sample).data
    assert np.array_equal(ann.mask, desk.label(sample))
    assert (data["revision"], data["draft"], data["drawn"], data["saved"], data["probs"]) == (1, None, False, None, None)
    assert data["boxOnly"] is True
    assert data["key"] == f"drywall-qa:{sample.id}:{sample.image_hash[:12]}:Ann"
    assert b"export default function mount" in desk.served(data["module"])
    assert desk.served(data["photo"]) == desk.workspace.photo_path(sample.image_path).read_bytes()


def test_a_prediction_comes_with_its_threshold_as_deflated_bytes(ann, desk, sample):
    probs = np.random.default_rng(0).integers(0, 256, sample.size_hw).astype(np.uint8)
    path = OpenedRun(desk.workspace, "r").folder.probs_path(sample.split, sample.id)
    path.parent.mkdir(parents=True)
    Image.fromarray(probs).save(path)
    data = ann.open(sample, Prediction("r", sample.split, 0.3)).data
    sent = np.frombuffer(zlib.decompress(desk.served(data["probs"])), np.uint8).reshape(sample.size_hw)
    assert np.array_equal(sent, probs_of("r", sample.split, sample.id))
    assert data["threshold"] == 0.3


def test_the_same_sample_stays_open_and_another_or_another_reviewer_opens_anew(ann, store, sample):
    load = ann.open(sample).data["load"]
    assert ann.open(sample).data["load"] == load
    ann.name = "Bob"
    other = ann.open(sample).data["load"]
    assert other != load
    assert ann.open(store.samples()[-1]).data["load"] not in (load, other)


def test_a_stroke_is_stored_and_acknowledged(ann, desk, sample):
    ann.open(sample).draw(3)
    ann.send()
    draft = desk.store.draft(sample.id, "Ann")
    assert (draft.based_on, len(draft.strokes)) == (2, 1)
    assert np.array_equal(draft.draw_on(desk.label(sample)), ann.mask)
    assert (ann.data["acked"][ann.data["load"]], ann.data["drawn"], ann.unsent) == (1, True, [])
    assert desk.store.sample(sample.id).revision == 2


def test_a_stroke_received_twice_is_stored_once(ann, desk, sample):
    ann.open(sample)
    first, second = ann.draw(3), ann.draw(5)
    ann.send([first])
    ann.send([first, second])
    ann.send([first, second])
    assert [stroke.patch.y for stroke in desk.store.draft(sample.id, "Ann").strokes] == [3, 5]


def test_a_stroke_that_comes_after_the_next_sample_was_opened_lands_on_its_own(ann, desk, store, sample):
    late = ann.open(sample).draw(3)
    other = store.samples(class_name="cracks")[1]
    ann.open(other)
    fresh = ann.draw(5, ~ann.mask[5, 0])
    ann.send([late, fresh])
    assert [stroke.patch.y for stroke in desk.store.draft(sample.id, "Ann").strokes] == [3]
    assert len(desk.store.draft(other.id, "Ann").strokes) == 1
    assert sorted(ann.data["acked"].values()) == [1, 1]


def test_after_a_restart_the_draft_is_there_and_what_never_arrived_is_offered_again(ann, desk, sample):
    ann.open(sample).draw(3)
    ann.send()
    lost = ann.draw(5)
    drawn = ann.mask.copy()
    ann.session = {}  # the server started anew: it knows no openings
    ann.send([lost])
    assert len(desk.store.draft(sample.id, "Ann").strokes) == 1  # of an opening nobody knows: not taken, not acknowledged
    ann.open(sample)
    (restored,) = desk.served(ann.data["draft"], as_json=True)
    assert (restored["y"], ann.data["drawn"]) == (3, True)
    ann.send([{**lost, "n": 1, "load": ann.data["load"]}])  # as the canvas commits it again
    assert np.array_equal(desk.store.draft(sample.id, "Ann").draw_on(desk.label(sample)), drawn)


def test_saving_makes_the_draft_the_next_revision(ann, desk, sample):
    ann.open(sample)
    ann.draw(3)
    ann.draw(5, tool="model")
    ann.send().save("a hairline")
    label = desk.store.label(sample.id)
    assert (label.number, label.author, label.tool, label.comment) == (3, "Ann", "editor", "a hairline")
    assert label.provenance == "edited proposal"
    assert np.array_equal(desk.label(sample), ann.mask)
    assert desk.store.draft(sample.id, "Ann") is None
    assert (ann.data["revision"], ann.data["saved"], ann.data["drawn"]) == (3, 3, False)


def test_drawing_goes_on_from_the_saved_revision(ann, desk, sample):
    ann.open(sample).draw(3)
    ann.send().save()
    ann.draw(5)
    ann.send()
    assert desk.store.draft(sample.id, "Ann").based_on == 3
    assert ann.data["saved"] is None
    ann.save()
    assert desk.store.sample(sample.id).revision == 4
    assert rows(desk.label(sample)) == [3, 5]
    assert rows(desk.label(sample, 3)) == [3]


def test_undoing_all_and_saving_makes_no_revision(ann, desk, sample):
    before = ann.open(sample).mask.copy()
    ann.draw(3)
    ann.undo(before)
    ann.send().save()
    assert desk.store.sample(sample.id).revision == 2
    assert desk.store.draft(sample.id, "Ann") is None
    assert (ann.data["drawn"], ann.data["saved"]) == (False, None)


def test_saving_without_a_draft_does_nothing(ann, desk, sample):
    ann.open(sample).save()
    assert desk.store.sample(sample.id).revision == 2
    assert ann.data["saved"] is None


def test_a_save_on_a_stale_revision_is_refused_and_the_draft_stays(ann, desk, sample):
    bob = Browser(desk, "Bob").open(sample)
    ann.open(sample).draw(3)
    ann.send()
    bob.draw(7)
    bob.send().save()
    with pytest.raises(StaleRevisionError):
        ann.save()
    assert rows(desk.label(sample)) == [7]
    assert rows(desk.store.draft(sample.id, "Ann").draw_on(desk.label(sample, 2))) == [3]
    assert desk.store.label(sample.id).author == "Bob"


def test_a_rebased_draft_is_saved_on_top_of_theirs(ann, desk, sample):
    bob = Browser(desk, "Bob").open(sample)
    ann.open(sample).draw(3)
    ann.send()
    bob.draw(7)
    bob.send().save()
    desk.store.rebase_draft(desk.store.draft(sample.id, "Ann"), desk.label(sample, 2), 3)
    desk.use(ann)
    mask_editor.reopen(desk.store, desk.store.sample(sample.id), "Ann")
    ann.open(sample)
    assert (ann.data["revision"], ann.data["drawn"]) == (3, True)
    ann.save()
    assert rows(desk.label(sample)) == [3, 7]
    assert desk.store.label(sample.id).author == "Ann"


def test_two_drafts_of_one_sample_do_not_meet(ann, desk, sample):
    bob = Browser(desk, "Bob").open(sample)
    ann.open(sample).draw(3)
    bob.draw(7)
    ann.send()
    bob.send()
    assert [rows(desk.store.draft(sample.id, name).draw_on(desk.label(sample))) for name in ("Ann", "Bob")] == [[3], [7]]


def test_strokes_renew_the_lease_but_not_each_of_them(ann, desk, sample):
    soon = desk.store.take(sample.id, "Ann", minutes=1)
    ann.open(sample).draw(3)
    ann.opening.renewed = 0.0
    ann.clock = RENEW_SECONDS - 1
    ann.send()
    assert desk.store.leases()[sample.id].until == soon.until
    ann.clock = RENEW_SECONDS + 1
    ann.draw(5)
    ann.send()
    renewed = desk.store.leases()[sample.id]
    assert renewed.until > soon.until + timedelta(minutes=1)
    assert renewed.taken_at == soon.taken_at
    ann.clock += RENEW_SECONDS - 1
    ann.draw(7)
    ann.send()
    assert desk.store.leases()[sample.id].until == renewed.until


def test_a_stroke_is_kept_even_if_somebody_else_has_the_sample_by_now(ann, desk, sample):
    ann.open(sample).draw(3)
    desk.store.take(sample.id, "Bob")
    ann.opening.renewed, ann.clock = 0.0, RENEW_SECONDS + 1
    ann.send()
    assert len(desk.store.draft(sample.id, "Ann").strokes) == 1
    assert desk.store.leases()[sample.id].reviewer == "Bob"


def boxed(store):
    return next(s for s in store.samples(class_name="taping") if s.box_only)


def test_a_proposal_is_answered_with_the_seams_that_queue_and_training_take(ann, desk, store):
    ann.open(boxed(store))
    ann.send(ask={"what": "proposal", "id": 7, "load": ann.data["load"]})
    expected = [seam for of_box in seams_of(desk.workspace, boxed(store)) for seam in of_box]
    assert expected
    assert ann.data["answer"] == {
        "id": 7,
        "seams": [{"points": s.points_xy.tolist(), "width": s.width_px, "confidence": s.confidence} for s in expected],
    }


def test_a_line_is_snapped_or_the_reason_told(ann, desk, store):
    seam = next(seam for of_box in seams_of(desk.workspace, boxed(store)) for seam in of_box)
    ask = {"what": "snap", "points": seam.points_xy.tolist(), "search": 12, "load": ann.open(boxed(store)).data["load"]}
    ann.send(ask={**ask, "id": 1})
    assert ann.data["answer"]["width"] > 0
    assert np.allclose(ann.data["answer"]["points"], seam.points_xy, atol=13)
    desk.workspace.photo_path(boxed(store).image_path).write_bytes(b"no photo")
    st.cache_data.clear()
    st.cache_resource.clear()
    ann.send(ask={**ask, "id": 2})
    assert ann.data["answer"].keys() == {"id", "error"}
    assert ann.data["answer"]["id"] == 2


def test_a_question_of_an_opening_nobody_knows_is_left_alone(ann, sample):
    ann.open(sample).send(ask={"what": "proposal", "id": 1, "load": "gone"})
    assert ann.data["answer"] is None


def test_why_nobody_may_draw_is_shown(ann, sample):
    ann.open(sample).look("Bob has this sample now.")
    assert ann.data["locked"] == "Bob has this sample now."


def test_what_is_opened_next_is_made_ready_and_a_lost_photo_is_no_matter_yet(desk, sample, monkeypatch):
    read = []
    monkeypatch.setattr(mask_editor, "photo_bytes", lambda path: read.append(read_photo(path).shape[:2]))
    make_ready(desk.workspace, sample, None)
    assert read == [sample.size_hw]
    monkeypatch.undo()
    desk.workspace.photo_path(sample.image_path).unlink()
    make_ready(desk.workspace, sample, Prediction("nowhere", "test", 0.5))
