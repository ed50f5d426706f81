"""Two masks of one sample on the page: neither is lost, whichever is taken."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.masks.mask import decode_rle
from core.masks.strokes import patch_between
from data.store.drafts import Stroke


def _conflict():
    import streamlit

    from dashboard.mask_conflict import show_conflict
    from dashboard.mask_editor import Opening
    from dashboard.state import open_workspace

    store = open_workspace().store
    sample = store.sample(int(streamlit.query_params["sample"]))
    draft = store.draft(sample.id, "Ann")
    if draft is not None and draft.based_on != sample.revision:  # as the page asks
        show_conflict(store, Opening(sample, "Ann", draft.based_on, draft), "Ann")


@pytest.fixture
def page(workspace, store, monkeypatch):
    """Ann drew row 3 on revision 1 while Bob saved row 7 as revision 2; what the page shows her, and the masks."""
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {}))
    sample = store.samples(class_name="cracks")[0]
    before = decode_rle(store.label(sample.id).rle)
    mine, theirs = before.copy(), before.copy()
    mine[3], theirs[7] = ~before[3], ~before[7]
    store.add_strokes(sample.id, "Ann", 1, [Stroke("brush", False, patch_between(before, mine))])
    store.save_label(sample.id, theirs, based_on=1, author="Bob", tool="editor")
    app = AppTest.from_function(_conflict, default_timeout=60)
    app.query_params["sample"] = str(sample.id)
    return app.run(), sample, before, mine, theirs


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()


def test_it_says_who_saved_what_meanwhile_and_offers_both(page, store):
    app, sample, before, mine, _ = page
    assert not app.exception
    assert "Bob saved revision 2 while you drew on revision 1" in app.warning[0].value
    assert [button.label for button in app.button] == ["Take theirs", "Keep mine on top of theirs"]
    assert np.array_equal(store.draft(sample.id, "Ann").draw_on(before), mine)  # looking changes nothing


def test_theirs_drops_the_draft_and_keeps_their_revision(page, store):
    app, sample, _, _, theirs = page
    press(app, "Take theirs")
    assert store.draft(sample.id, "Ann") is None
    assert store.sample(sample.id).revision == 2
    assert np.array_equal(decode_rle(store.label(sample.id).rle), theirs)


def test_mine_on_top_of_theirs_is_a_draft_of_both_and_saves_nothing_yet(page, store):
    app, sample, before, mine, theirs = page
    press(app, "Keep mine on top of theirs")
    draft = store.draft(sample.id, "Ann")
    assert draft.based_on == 2
    assert np.array_equal(draft.draw_on(theirs), np.where(mine != before, mine, theirs))
    assert store.sample(sample.id).revision == 2
