"""Data: what the import found, the copies and near-duplicates as pictures, and every repaired or refused item."""

import pandas as pd
import streamlit as st

from dashboard.gallery import label_tile
from dashboard.state import go_to, open_workspace
from data.intake.duplicates import by_source, find_leaks

workspace = open_workspace()
store = workspace.store
st.title("Data")
report = store.last_import()
if report is None:
    st.info("Nothing was imported yet: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(f"{report.raw_dir}, imported {report.created_at:%d %b %Y %H:%M} UTC", width="stretch")
    if st.button("Labels from and for other tools", icon=":material/swap_horiz:"):
        go_to("exchange")
st.dataframe(pd.DataFrame(report.rows), hide_index=True, width="stretch")

samples = store.samples()
copies = sorted((group for group in by_source(samples).values() if len(group) > 1), key=len, reverse=True)
leaks = find_leaks(samples)
tabs = st.tabs(["Splits", f"Copies ({len(copies)} groups)", f"Problems ({len(report.problems)})", "Labels"])

with tabs[0]:
    counts = store.counts().pivot_table(index="class_name", columns="split", values="samples", aggfunc="sum", fill_value=0)
    st.dataframe(counts)
    if leaks:
        st.error(
            f"{len(leaks)} groups of copies cross splits, so test figures flatter the model. Prepare again with split.by_group=true."
        )
        st.dataframe(
            pd.DataFrame(
                {"group": leak.group, "splits": ", ".join(leak.splits), "samples": len(leak.sample_ids)} for leak in leaks
            ),
            hide_index=True,
        )
    else:
        st.success("No group of copies crosses a split.", icon=":material/check:")


def tiles(chosen: list, per_row: int = 5) -> None:
    columns = st.columns(per_row)
    for place, sample in enumerate(chosen):
        with columns[place % per_row]:
            st.image(label_tile(sample.id, sample.revision, sample.image_path), width="stretch")
            st.caption(f"{sample.class_name} · {sample.split} · {sample.file_name[:28]}")
            if st.button("Open", key=f"open_{sample.id}_{place}_{len(chosen)}"):
                go_to("fix_masks", sample=sample.id)


with tabs[1]:
    st.caption(
        "Copies by Roboflow's name mark or by a perceptual hash that holds under quarter turns and flips. A group stays in one split."
    )
    if not copies:
        st.write("No photo has a copy.")
    for group in copies[:10]:
        with st.container(border=True):
            tiles(group[:5])
with tabs[2]:
    if report.problems:
        st.dataframe(pd.DataFrame([vars(problem) for problem in report.problems]), hide_index=True, width="stretch")
        named = {problem.file_name for problem in report.problems if problem.action == "repaired"}
        tiles([sample for sample in samples if sample.file_name in named][:10])
    else:
        st.success("Nothing had to be repaired or refused.", icon=":material/check:")
with tabs[3]:
    class_name = st.selectbox("Class", sorted({sample.class_name for sample in samples}))
    boxes = st.toggle("Box-only labels")
    chosen = [s for s in samples if s.class_name == class_name and (not boxes or s.is_box)]
    number = st.number_input("Page", 1, max(1, -(-len(chosen) // 20)), width=140)
    tiles(chosen[(number - 1) * 20 : number * 20])
