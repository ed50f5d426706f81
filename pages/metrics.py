"""Metrics: the table per class as published, how IoU spreads, the threshold curve, and two runs side by side."""

from functools import partial

import pandas as pd
import streamlit as st

from core.metrics.table import HEADLINE, MEAN_TITLES, METRICS
from dashboard.charts import before_after, iou_histogram, threshold_lines
from dashboard.state import open_workspace, pick, pick_run, sentences
from training.report import write_report
from training.runs.opened import OpenedRun
from training.scoring.evaluation import compare, paired_scores, summary, threshold_curve
from training.scoring.leakage import leaky_and_honest
from training.scoring.leakage import sentence as leakage_sentence
from training.scoring.tables import comparison_rows, metric_rows

workspace = open_workspace()
store = workspace.store
st.title("Metrics")
scores = store.scores()
if scores.empty:
    st.info("No run was scored yet. Launch one on the Train page; it scores the test split when it ends.")
    st.stop()
runs = {run.id: run for run in store.runs() if run.id in set(scores["run_id"])}
left, right, third = st.columns([3, 2, 3])
run_id = pick_run(runs.values(), where=left)
splits = sorted(scores[scores["run_id"] == run_id]["split"].unique(), key=["test", "val", "train"].index)
split = pick("Split", splits, "split", where=right)
other = pick("Beside", ["none", *(run for run in runs if run != run_id)], "other", where=third)
human = st.toggle(
    "Human-made labels only", help="Leaves out labels taken from a model's proposal: truth accepted from the model flatters it"
)
labels_of = "human" if human else "all"


@st.cache_data(max_entries=16, show_spinner=False)
def curve_of(run: str, part: str, labels: str, revisions: tuple[tuple[int, int, int], ...]) -> pd.DataFrame:
    """`revisions`, of the labels today and when they were scored, are what makes a curve old."""
    return threshold_curve(OpenedRun(workspace, run), part, labels)


def report_bytes(suffix: str) -> bytes:
    return getattr(write_report(OpenedRun(workspace, run_id), split), suffix).read_bytes()


with sentences():
    document = summary(store, run_id, split, labels_of)
    table = metric_rows(document)
    form = {name: "{:.0f}" if name == "samples" else "{:.4f}" for name in table}
    first_columns = [*(MEAN_TITLES[key] for key in HEADLINE), "samples"]
    st.dataframe(table[first_columns].style.format(form, na_rep="-"), width="stretch")
    if st.toggle("Every metric", help="Precision and recall, tolerant precision and recall, and the ceiling as well"):
        st.dataframe(
            table.T.style.format("{:.4f}", na_rep="-").format("{:.0f}", subset=pd.IndexSlice[["samples"], :]),
            width="content",
            height="content",
        )
        with st.expander("What they mean"):
            st.markdown("\n".join(f"- **{metric.title}**: {metric.meaning}" for metric in METRICS))
    st.caption(
        f"Means over samples on {split}. mIoU is the mean foreground IoU, as in the published table. Tolerances are px "
        f"of a 640-px photo; the ceiling is what the model's grid allows. Labels: {runs[run_id].label_set}"
    )
    for sentence in document["advice"]:
        st.info(sentence, icon=":material/grid_on:")
    if split == "test" and (pair := leaky_and_honest(OpenedRun(workspace, run_id))):
        st.info(leakage_sentence(pair), icon=":material/content_copy:")
    pdf, html, _ = st.columns([2, 2, 6])
    for place, suffix, mime in ((pdf, "pdf", "application/pdf"), (html, "html", "text/html")):
        place.download_button(
            f"Report ({suffix.upper()})",
            partial(report_bytes, suffix),
            f"report-{run_id}.{suffix}",
            mime,
            key=f"report_{suffix}",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )
    of_split = scores[(scores["run_id"] == run_id) & (scores["split"] == split)]
    first, second = st.columns(2)
    first.markdown("**How IoU spreads**")
    first.plotly_chart(iou_histogram(of_split[of_split["human_made"] | (not human)]))
    second.markdown("**mIoU by threshold**")
    revisions = tuple(of_split[["sample_id", "current_revision", "revision"]].itertuples(index=False, name=None))
    curve = curve_of(run_id, split, labels_of, revisions)
    if curve.empty:
        second.caption("None of today's labels is human-made.")
    else:
        second.plotly_chart(threshold_lines(curve))
    if other != "none":
        st.subheader("Two runs side by side")
        both = compare(store, run_id, other, split)
        st.dataframe(comparison_rows(both).style.format(precision=4, na_rep="-"), hide_index=True, width="stretch")
        for name, row in {**both["classes"], "overall": both["overall"]}.items():
            st.caption(f"{name}: by IoU {row['better']} of {row['samples']} samples better, {row['worse']} worse")
        st.plotly_chart(before_after(paired_scores(store, run_id, other, split), runs[run_id].name, runs[other].name))
