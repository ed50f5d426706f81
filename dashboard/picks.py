"""Picking samples on a page: views kept under a name, and a selection that is tagged, sent to review or exported."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from dashboard.state import go_to, plain, say_after_rerun, sentences
from data.exchange.export import EXPORTS, TABLES, export_bytes, export_name
from data.workspace import Workspace

PICKED = "picked"
OF_TAG, OF_LIKE = "tag:", "like:"
"""How an address says which samples are shown: those of a tag, those like one, or the picked."""
_PLACE = ("after", "back", "at", "sample")


def picked() -> dict[int, None]:
    """Ids, in the order in which they were picked."""
    return st.session_state.setdefault(PICKED, {})


def pick_box(sample_id: int) -> None:
    """A box that picks the sample."""
    key = f"pick_{sample_id}"
    st.session_state[key] = sample_id in picked()
    st.checkbox("Pick", key=key, on_change=partial(_turn, sample_id))


def _turn(sample_id: int) -> None:
    if sample_id in picked():
        del picked()[sample_id]
    else:
        picked()[sample_id] = None


def picks_bar(workspace: Workspace, name: str, on_page: list[int], show: Callable[[], None] | None = None) -> None:
    """What can be done with the picked samples. on_page: ids of the samples that are shown. show: opens the picked ones alone."""
    chosen, store = list(picked()), workspace.store
    with st.container(horizontal=True, vertical_alignment="center", key="picks"):
        st.caption(f"{len(chosen)} picked" if chosen else "None picked", width="content")
        if st.button("Pick this page", icon=":material/select_all:"):
            picked().update(dict.fromkeys(on_page))
            st.rerun()
        if not chosen:
            return
        if show is not None and st.button("Show", icon=":material/visibility:"):
            show()
        with st.popover("Tag", icon=":material/label:"):
            known = list(store.tags())
            tag = st.selectbox("Tag", known, index=None, accept_new_options=True, key="tag_name", placeholder="a word")
            with st.container(horizontal=True):
                on, off = st.button("Put on", disabled=not tag), st.button("Take off", disabled=tag not in known)
            if (on or off) and tag:
                with sentences():
                    (store.tag if on else store.untag)(chosen, tag)
                say_after_rerun(f"{tag}: {len(chosen)} samples.")
        with st.popover("To the queue", icon=":material/checklist:"):
            comment = st.text_input("Why", key="sent_comment", placeholder="what to look for")
            if st.button(f"Send {len(chosen)}", help="To the head of the review queue, decided or not"):
                with sentences():
                    store.send_to_review(chosen, name, comment)
                picked().clear()
                say_after_rerun(f"{len(chosen)} samples stand at the head of the queue.")
        with st.popover("Export", icon=":material/download:"):
            form = st.selectbox("Format", [form for form in EXPORTS if form != "review-log"], key="picked_form")
            st.download_button(
                f"Download {len(chosen)}",
                partial(export_bytes, workspace, form, ids=chosen),
                f"picked-{export_name(form)}",
                "text/csv" if form in TABLES else "application/zip",
                on_click="ignore",
            )
        if st.button("Clear", icon=":material/close:"):
            picked().clear()
            st.rerun()


def views_menu(workspace: Workspace, page: str, name: str) -> None:
    """The views kept of a page, each a click away, and a field to keep this one."""
    store, query = workspace.store, {key: value for key, value in st.query_params.items() if key not in _PLACE}
    with st.popover("Views", icon=":material/bookmarks:"):
        for view in store.views(page):
            with st.container(horizontal=True, vertical_alignment="center"):
                if st.button(
                    plain(view.name), key=f"view_{view.name}", help=f"by {plain(view.author)}, {view.created_at:%d %b %Y}"
                ):
                    go_to(page, **view.query)
                if st.button("", key=f"drop_{view.name}", icon=":material/delete:", help="Forget this view"):
                    store.drop_view(view.name)
                    st.rerun()
        wanted = st.text_input("Keep this view as", key="view_name", max_chars=60, placeholder="worst cracks in the dark")
        if st.button("Keep", icon=":material/bookmark_add:", disabled=not wanted):
            with sentences():
                store.save_view(wanted, page, query, name)
            say_after_rerun(f"Kept as {wanted}.")


def _show(of: str, **query: Any) -> None:
    for key in _PLACE:
        st.query_params.pop(key, None)
    st.query_params.update({"of": of, **query})
    st.rerun()


def show_picked() -> None:
    """Run the page again on the picked samples."""
    _show(PICKED)


def show_like(sample_id: int) -> None:
    """Run the page again on the samples most like this one."""
    _show(f"{OF_LIKE}{sample_id}", cause="all", iou="0-1")
