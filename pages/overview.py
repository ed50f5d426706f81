"""Overview: what is in the workspace, the last runs, and what wants attention next."""

import streamlit as st

from dashboard.state import go_to, open_workspace, page, plain
from training.review.attention import attention

workspace = open_workspace()
store = workspace.store
st.title("Drywall QA")
st.caption(f"Workspace {workspace.root}")

counts = store.counts()
runs = store.runs()
if counts.empty:
    st.info("This workspace is empty. Import a Roboflow COCO export: `drywall-qa prepare RAW_DIR`", icon=":material/upload:")
    st.stop()

columns = st.columns([2, 2, 2, 3, 2])  # the fourth is the longest
columns[0].metric("Samples", int(counts["samples"].sum()))
for column, (name, number) in zip(columns[1:3], counts.groupby("class_name")["samples"].sum().items(), strict=False):
    column.metric(str(name).capitalize(), int(number))
reviewed = counts[counts["review_state"].isin(["fixed", "accepted", "rejected"])]["samples"].sum()
columns[3].metric("Reviewed", f"{int(reviewed)} of {int(counts['samples'].sum())}")
columns[4].metric("Runs", len(runs))

left, right = st.columns([3, 2], gap="large")
with left:
    st.subheader("What wants attention")
    for number, item in enumerate(attention(store)):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(item.title)}**  \n{plain(item.why)}", width="stretch")
            if st.button(item.action, key=f"attention_{number}"):
                go_to(item.page, **item.query)
with right:
    st.subheader("Samples by split")
    table = counts.pivot_table(index="class_name", columns="split", values="samples", aggfunc="sum", fill_value=0)
    st.dataframe(table, width="stretch")
    st.page_link(page("data_report"), label="What the import found", icon=":material/dataset:")

st.subheader("Last runs")
if not runs:
    st.write("None yet.")
for run in runs[:5]:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        score = f"validation mIoU {run.best_val_miou:.3f}" if run.best_val_miou is not None else run.reason or "no epoch yet"
        st.markdown(f"**{plain(run.name)}** `{run.id}` · {run.status} · {plain(run.label_set)} · {score}", width="stretch")
        if st.button("Watch", key=f"watch_{run.id}"):
            go_to("train", run=run.id)
        if st.button("Failures", key=f"failures_{run.id}"):
            go_to("failures", run=run.id)
