"""A sample's history: every revision as a picture with author, time, tool and comment, to restore or to compare; decisions."""

import pandas as pd
import streamlit as st

from core.errors import DrywallError
from core.photos import Photo
from dashboard.gallery import LABEL_COLOUR, shrink, truth_of
from dashboard.state import plain
from data.store.records import LabelRevision, Sample
from data.store.store import Store
from training.scoring.figures import paint, paint_agreement

PER_ROW = 4


def show_history(store: Store, sample: Sample, photo: Photo) -> None:
    """Show it, newest first. Restoring saves a new revision in the name of `st.session_state["reviewer"]` and runs again.

    photo: (H, W, 3) uint8, the sample's.
    """
    revisions = store.revisions(sample.id)
    if note := st.session_state.pop(f"restored_{sample.id}", None):
        st.success(note, icon=":material/history:")
    columns = st.columns(PER_ROW)
    for place, revision in enumerate(revisions):
        with columns[place % PER_ROW].container(border=True):
            st.image(shrink(paint(photo, truth_of(sample.id, revision.number), LABEL_COLOUR), 320), width="stretch")
            st.markdown(f"**{revision.number}** · {plain(revision.author)} · {revision.created_at:%d %b %H:%M}")
            st.caption(" · ".join(_facts(revision)))
            if revision.number != sample.revision and st.button(
                "Restore", key=f"restore_{sample.id}_{revision.number}", icon=":material/history:"
            ):
                _restore(store, sample, revision)
    _decisions(store, sample)
    if len(revisions) > 1:
        _difference(sample, photo, [revision.number for revision in revisions])


def _decisions(store: Store, sample: Sample) -> None:
    """Who decided what, when, on which revision, newest first."""
    decided = [
        (f"{review.created_at:%d %b %Y %H:%M}", review.state, review.reviewer, review.revision, review.comment)
        for review in store.reviews(sample.id)
    ]
    if decided:
        st.markdown("**Decisions**")
        table = pd.DataFrame(decided, columns=["time (UTC)", "state", "reviewer", "revision", "comment"])
        st.dataframe(table, hide_index=True, width="content")


def _facts(revision: LabelRevision) -> list[str]:
    tool = (
        revision.provenance
        if revision.tool in (revision.provenance, "import", "restore")
        else (f"{revision.provenance} ({revision.tool})")
    )
    return [tool, f"{revision.area_px:,} px", *([revision.comment] if revision.comment else [])]


def _restore(store: Store, sample: Sample, revision: LabelRevision) -> None:
    try:
        author = st.session_state.get("reviewer", "")
        saved = store.restore(sample.id, revision.number, based_on=sample.revision, author=author)
    except DrywallError as error:  # the page goes on below: what was drawn on it stays
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state[f"restored_{sample.id}"] = f"Revision {revision.number} is revision {saved.number} now."
    st.rerun()


def _difference(sample: Sample, photo: Photo, numbers: list[int]) -> None:
    left, right = st.columns(2)
    key = f"{sample.id}_{numbers[0]}"
    old = left.selectbox("Difference from revision", numbers, 1, key=f"from_{key}")
    new = right.selectbox("to revision", numbers, 0, key=f"to_{key}")
    before, after = truth_of(sample.id, old), truth_of(sample.id, new)
    added, removed = int((after & ~before).sum()), int((before & ~after).sum())
    caption = f"green: kept, orange: {added:,} px added, blue: {removed:,} px taken away"
    st.image(paint_agreement(photo, before, after), caption=caption, width="stretch")
