"""Metrics: the table per class as published, how IoU spreads, the threshold curve, and two runs side by side."""

import pandas as pd
import streamlit as st

from dashboard.charts import before_after, iou_histogram, threshold_lines
from dashboard.state import open_workspace, pick, sentences
from training.evaluation import compare, paired_scores, summary, threshold_curve

workspace, store = open_workspace()
st.title("Metrics")
scores = store.scores()
if scores.empty:
    st.info("No run was scored yet. Launch one on the Train page; it scores the test split when it ends.")
    st.stop()
runs = {run.id: run for run in store.runs() if run.id in set(scores["run_id"])}
left, right, third = st.columns([3, 2, 3])
run_id = pick("Run", list(runs), "run", where=left, format_func=lambda r: f"{runs[r].name} ({r})")
splits = sorted(scores[scores["run_id"] == run_id]["split"].unique(), key=["test", "val", "train"].index)
split = pick("Split", splits, "split", where=right)
other = pick("Beside", ["none", *(run for run in runs if run != run_id)], "other", where=third)
human = st.toggle(
    "Human-made labels only",
    help="Leaves out labels taken from a model's proposal: truth accepted from the model flatters it",
)
labels_of = "human" if human else "all"


def table_of(run: str) -> pd.DataFrame:
    document = summary(store, run, split, labels_of)
    rows = {**document["classes"], "overall": document["overall"]}
    columns = {"miou": "mIoU", "dice": "Dice", "precision": "precision", "recall": "recall", "samples": "samples"}
    return pd.DataFrame(rows).T.rename(columns=columns)[list(columns.values())]


formats = dict.fromkeys(("mIoU", "Dice", "precision", "recall"), "{:.4f}") | {"samples": "{:.0f}"}
with sentences():
    st.dataframe(table_of(run_id).style.format(formats), width="stretch")
    st.caption(
        f"Means over samples on {split}. mIoU is the mean foreground IoU, as in the published table. Labels: {runs[run_id].label_set}"
    )
    chosen = scores[(scores["run_id"] == run_id) & (scores["split"] == split) & (scores["human_made"] | (not human))]
    first, second = st.columns(2)
    first.markdown("**How IoU spreads**")
    first.plotly_chart(iou_histogram(chosen))
    second.markdown("**mIoU by threshold**")
    second.plotly_chart(threshold_lines(threshold_curve(workspace, store, run_id, split)))
    if other != "none":
        st.subheader("Two runs side by side")
        both = compare(store, run_id, other, split)
        rows = {**both["classes"], "overall": both["overall"]}
        st.dataframe(
            pd.DataFrame(
                {"": name, run_id: row["miou"][0], other: row["miou"][1], "gain": row["miou"][1] - row["miou"][0],
                 "better": row["better"], "worse": row["worse"], "samples": row["samples"]}
                for name, row in rows.items()
            ).style.format(precision=4),
            hide_index=True, width="stretch",
        )  # fmt: skip
        st.plotly_chart(before_after(paired_scores(store, run_id, other, split), runs[run_id].name, runs[other].name))
