"""Two masks of one sample: a draft, and the revision somebody saved meanwhile. Neither is lost; the reviewer chooses."""

import streamlit as st

from core.masks.mask import Mask
from core.masks.strokes import apply_patch, patch_between
from core.photos import Photo
from dashboard.gallery import LABEL_COLOUR, photo_of, truth_of
from dashboard.mask_editor import Opening, reopen
from dashboard.state import plain
from data.store.store import Store
from training.scoring.figures import paint


def show_conflict(store: Store, opening: Opening, name: str) -> None:
    """Side by side: mine, theirs, and mine on top of theirs. Without a draft the newer revision is simply opened."""
    sample, draft = opening.sample, store.draft(opening.sample.id, name)
    if draft is None:
        reopen(store, sample, name)
        st.rerun()
    newest = store.label(sample.id, sample.revision)
    before, theirs = truth_of(sample.id, draft.based_on), truth_of(sample.id, sample.revision)
    mine = draft.draw_on(before)
    both = theirs.copy()
    if patch := patch_between(before, mine):
        apply_patch(both, patch)
    st.title("Fix masks")
    st.warning(
        f"{newest.author} saved revision {newest.number} while you drew on revision {draft.based_on}. "
        "Your draft is kept until you choose.",
        icon=":material/call_split:",
    )
    photo = photo_of(sample.image_path)
    left, middle, right = st.columns(3)
    with left:
        st.image(_picture(photo, mine), caption="Yours, the draft", width="stretch")
    with middle:
        st.image(_picture(photo, theirs), caption=f"Theirs, revision {newest.number} by {plain(newest.author)}", width="stretch")
        if st.button("Take theirs", width="stretch", help="Your draft is dropped"):
            store.drop_draft(draft)
            reopen(store, sample, name)
            st.rerun()
    with right:
        st.image(_picture(photo, both), caption="What you changed, on top of theirs", width="stretch")
        if st.button("Keep mine on top of theirs", type="primary", width="stretch", help="Becomes your draft; save it then"):
            store.rebase_draft(draft, before, sample.revision)
            reopen(store, sample, name)
            st.rerun()


def _picture(photo: Photo, mask: Mask) -> Photo:
    return paint(photo, mask, LABEL_COLOUR)
