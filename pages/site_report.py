"""Site report: photos of a site in, a report to hand over out, with sizes where a scale is known."""

import tempfile
from pathlib import Path

import streamlit as st

from core.photos import PHOTO_SUFFIXES
from dashboard.limits import look_slot
from dashboard.state import open_workspace, pick_run, sentences
from training.report.site import write_site_report
from training.runs.opened import OpenedRun

MOST_PHOTOS = 200
MIMES = {"pdf": "application/pdf", "html": "text/html", "csv": "text/csv"}

workspace = open_workspace()
store = workspace.store
st.title("Site report")
usable = [run for run in store.runs() if run.status == "finished"]
if not usable:
    st.info("No run has finished yet. Launch one on the Train page.", icon=":material/model_training:")
    st.stop()
left, right = st.columns([3, 2])
uploads = left.file_uploader("Photos of the site", type=list(PHOTO_SUFFIXES), accept_multiple_files=True)
run_id = pick_run(usable, where=right)
title = right.text_input("Title", "Site report", max_chars=80)
scale = right.number_input(
    "Pixels per mm", min_value=0.0, value=0.0, step=0.1, format="%.3g", help="Of all photos; 0: not known, sizes are in pixels"
)
if len(uploads) > MOST_PHOTOS:
    left.warning(f"{len(uploads)} photos at once are too many for a browser; take {MOST_PHOTOS}, or drywall-qa report-site.")
pressed = left.button(
    "Make the report", type="primary", icon=":material/summarize:", disabled=not 0 < len(uploads) <= MOST_PHOTOS
)
if pressed:
    place = st.progress(0.0, "Looking at photos")

    def tell(what: str, done: int, total: int) -> None:
        place.progress(done / max(1, total), f"{what}, {done} of {total}")

    with sentences(), look_slot(), tempfile.TemporaryDirectory() as folder:
        photos: list[tuple[str, Path | bytes]] = [(upload.name, upload.getvalue()) for upload in uploads]
        run = OpenedRun(workspace, run_id)
        paths = write_site_report(run, photos, Path(folder), title=title, px_per_mm=scale or None, on_progress=tell)
        st.session_state["site_report"] = {path.name: path.read_bytes() for path in paths}
    place.empty()
made = st.session_state.get("site_report")
if made is None:
    st.caption(
        "Every photo is asked for every class of the run; the report says what was found, how long and wide, and which photos a "
        "person should look at first. Nothing is kept on the server."
    )
else:
    with st.container(horizontal=True):
        for file_name, content in made.items():
            suffix = file_name.rpartition(".")[2]
            st.download_button(
                suffix.upper(),
                content,
                file_name,
                MIMES[suffix],
                key=f"site_{suffix}",
                icon=":material/download:",
                on_click="ignore",
            )
    st.iframe(made["report.html"].decode(), height=900)
