"""Import and export: labels from another tool over the ones here, differences first; labels and tables as downloads."""

from functools import partial

import streamlit as st

from dashboard.gallery import legend
from dashboard.label_changes import COLOURS, show_changes
from dashboard.state import open_workspace, pick_number, plain, reviewer, say_after_rerun, sentences, show_said
from data.exchange.export import TABLES, export_bytes, export_name
from data.exchange.formats import FORMATS
from data.exchange.guarded import read_upload_guarded
from data.exchange.label_import import LabelImport, save_import

PER_PAGE = 6
LEFT_OUT = "leave out"
ABOUT_TABLES = {
    "review-log": ("Review log", "every revision and decision: who, when, tool, area, IoU; safe to open in Excel"),
    "sizes": ("Sizes", "length and widths of every label in px, and in mm and m where the photo has a scale"),
}

workspace = open_workspace()
store = workspace.store
name = reviewer()
st.title("Import and export")
show_said()
classes = sorted(store.counts()["class_name"].unique())
if not classes:
    st.info("This workspace is empty. Import an export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()


def differences(found: LabelImport, key: str) -> None:
    """What would change, the greatest changes first, and the button that does it."""
    counts = {"Differ": len(found.changes), "The same": len(found.same), "Not usable": len(found.skipped)}
    for place, (title, count) in zip(st.columns(3), counts.items(), strict=True):
        place.metric(title, count)
    if found.skipped:
        with st.expander(f"What cannot be used ({len(found.skipped)})", expanded=not found.changes):
            st.dataframe([vars(item) for item in found.skipped], width="stretch")
    if found.notes:
        with st.expander(f"What to know ({len(found.notes)})"):
            st.dataframe([vars(note) for note in found.notes], width="stretch")
    if not found.changes:
        st.success("Nothing would change.", icon=":material/check:")
        return
    left_out = st.session_state.setdefault(f"left_out_{key}", set())
    above = st.container(horizontal=True, vertical_alignment="center")
    changes = sorted(found.changes, key=lambda change: change.difference.iou)
    pages = -(-len(changes) // PER_PAGE)
    number = pick_number("Page", "page", pages) if pages > 1 else 1
    show_changes(store, changes[(number - 1) * PER_PAGE : number * PER_PAGE], left_out, key)
    with above:
        legend(COLOURS)
        count = len(changes) - len(left_out)
        words = f"Save {count} labels as new revisions" if count != 1 else "Save 1 label as a new revision"
        if st.button(words, type="primary", icon=":material/save:", disabled=not count):
            with sentences():
                saved = save_import(store, found, name, left_out)
            del st.session_state["import"]
            refused = f" {count - len(saved)} were refused: they changed meanwhile." if len(saved) < count else ""
            say_after_rerun(f"{len(saved)} labels saved as new revisions.{refused}")


def labels_in() -> None:
    st.caption(
        "A COCO, Label Studio or CVAT file, or a ZIP archive of an export (PNG masks and YOLO are always one). Nothing is "
        "saved before you have seen what differs, and nothing is overwritten: each change becomes a new revision."
    )
    left, right = st.columns([3, 1])
    upload = left.file_uploader("Labels", ["json", "xml", "zip"], label_visibility="collapsed")
    offered = {form.title: key for key, form in reversed(FORMATS.items())}
    title = right.selectbox("Format", ["found by itself", *reversed(offered)])
    if upload is None:
        return
    unknown = st.session_state.get(f"unknown_{upload.file_id}", [])
    class_of = {}
    if unknown:
        st.caption("These classes of the file are not in the workspace. What do they mean here?")
        for place, other in zip(st.columns(max(4, len(unknown))), unknown, strict=False):
            choice = place.selectbox(other, [LEFT_OUT, *classes], key=f"class_{upload.file_id}_{other}")
            if choice != LEFT_OUT:
                class_of[other] = choice
    unsaid = f"unsaid_{upload.file_id}"
    empty = unsaid in st.session_state and st.checkbox(
        "A photo without shapes has nothing there: empty its label",
        key=f"empty_{upload.file_id}",
        help="The file shows some photos without a shape and does not say that nothing is there. Their labels stay otherwise.",
    )
    wanted = (upload.file_id, title, tuple(class_of.items()), empty)
    kept = st.session_state.get("import")
    if kept is None or kept[0] != wanted:
        with sentences(), st.spinner("Comparing with the labels that are here"):
            found = read_upload_guarded(workspace, upload.name, upload.getvalue(), offered.get(title), class_of, empty=empty)
        st.session_state["import"] = kept = (wanted, found)
        ask_class, ask_empty = found.unknown_classes and not unknown, found.unsaid and unsaid not in st.session_state
        if ask_class:
            st.session_state[f"unknown_{upload.file_id}"] = found.unknown_classes
        if ask_empty:
            st.session_state[unsaid] = True
        if ask_class or ask_empty:
            st.rerun()
    found = kept[1]
    st.markdown(f"**{plain(upload.name)}**, read as {FORMATS[found.form].title}")
    differences(found, "_".join(str(part) for part in wanted))


def labels_out() -> None:
    now = "as they are now"
    chosen = st.selectbox("Labels", [now, *(label_set.name for label_set in store.label_sets())], width=320)
    label_set = None if chosen == now else chosen
    for form, entry in FORMATS.items():
        row(form, entry.title, entry.about, label_set)
    st.subheader("Tables")
    for form in TABLES:
        row(form, *ABOUT_TABLES[form], None if form == "review-log" else label_set)
    st.caption("The same from the command line, without a limit of size: `drywall-qa export --format ... --out FOLDER`")


def row(form: str, title: str, about: str, label_set: str | None) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{title}** · {about}", width="stretch")
        st.download_button(
            "Download",
            partial(export_bytes, workspace, form, label_set),
            export_name(form),
            key=f"export_{form}",
            icon=":material/download:",
            on_click="ignore",
            mime="text/csv" if form in TABLES else "application/zip",
        )


VIEWS = {"Labels in": labels_in, "Labels out": labels_out}
VIEWS[st.radio("View", list(VIEWS), horizontal=True, label_visibility="collapsed", key="exchange_view")]()
