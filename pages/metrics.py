"""Metrics: the table per class as published, how IoU spreads, the threshold curve, and two runs side by side."""

from functools import partial

import pandas as pd
import streamlit as st

from core.metrics.table import METRICS
from dashboard.charts import (
    before_after,
    calibration_lines,
    iou_histogram,
    precision_recall_lines,
    prompt_matrix,
    threshold_lines,
)
from dashboard.gallery import agreement_tile, legend
from dashboard.state import open_workspace, pick, pick_run, plain, say_after_rerun, sentences, show_said
from training.report import write_report
from training.runs.opened import OpenedRun
from training.scoring.causes import FAILED_BELOW_IOU
from training.scoring.curves import Curves, curves_of
from training.scoring.evaluation import compare, config_difference, flipped, paired_scores, summary
from training.scoring.leakage import leaky_and_honest, on_test, own_sentence, without_copies
from training.scoring.leakage import sentence as leakage_sentence
from training.scoring.prompts import OF_A_CLASS, ask_prompts, asked_prompts
from training.scoring.slices import slices
from training.scoring.tables import COUNTS, comparison_rows, interval_rows, metric_rows

FLIPPED_SHOWN = 6
SLICE_COLUMNS = {"class_name": "class", "source_photos": "source photos", "miou": "mIoU", "low": "from", "high": "to"}

workspace = open_workspace()
store = workspace.store
st.title("Metrics")
show_said()
scored = store.scored_runs()
if not scored:
    st.info("No run was scored yet. Launch one on the Train page; it scores the test split when it ends.")
    st.stop()
runs = {run.id: run for run in store.runs() if run.id in scored}
left, right, third = st.columns([3, 2, 3])
run_id = pick_run(runs.values(), where=left)
splits = sorted(store.slots(run_id)["split"].unique(), key=["test", "val", "train"].index)
split = pick("Split", splits, "split", where=right)
other = pick("Beside", ["none", *(run for run in runs if run != run_id)], "other", where=third)
human = st.toggle(
    "Human-made labels only", help="Leaves out labels taken from a model's proposal: truth accepted from the model flatters it"
)
labels_of = "human" if human else "all"


@st.cache_data(max_entries=16, show_spinner=False)
def curves(run: str, part: str, labels: str, revisions: tuple[tuple[int, int, int], ...]) -> Curves:
    """`revisions`, of the labels today and when they were scored, are what makes a curve old."""
    return curves_of(OpenedRun(workspace, run), part, labels)


def report_bytes(suffix: str) -> bytes:
    return getattr(write_report(OpenedRun(workspace, run_id), split), suffix).read_bytes()


def show_prompts() -> None:
    """How the run answers to every synonym and to other sentences, asked when somebody wants to know: it takes a look a photo."""
    run = OpenedRun(workspace, run_id)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        free = st.text_input("Other sentences, parted by ;", placeholder="scratch; cable; hole in the wall", width=420)
        pressed = st.button("Ask every prompt", icon=":material/forum:", help=f"Of {OF_A_CLASS} photos of each class")
    if pressed:
        place = st.progress(0.0, "Looking")

        def tell(what: str, done: int, total: int) -> None:
            place.progress(done / max(1, total), what)

        ask_prompts(run, split, [sentence for sentence in free.split(";") if sentence.strip()], on_progress=tell)
        say_after_rerun("Asked.")
    document = asked_prompts(run, split)
    if document is None:
        st.caption("Nothing was asked yet.")
        return
    left, right = st.columns([3, 2])
    left.plotly_chart(prompt_matrix(document))
    counts = ", ".join(f"{number} of {name}" for name, number in document["samples"].items())
    left.caption(f"mIoU with each class's labels, {counts}. A prompt should find its own class, and nothing of the other.")
    worst = [(name, *row) for name, rows in document["worst"].items() for row in rows[:6]]
    right.markdown("**Samples that depend on the words**")
    columns = ["class", "sample", "worst synonym", "its IoU", "best IoU"]
    right.dataframe(pd.DataFrame(worst, columns=columns).style.format(precision=3), hide_index=True, width="stretch")
    if document["both"]:
        st.markdown(f"**Share of each class's label found, on {document['both_photos']} photos that hold both**")
        st.dataframe(pd.DataFrame(document["both"]).T.style.format("{:.3f}", na_rep="-"), width="content")


def compare_with(other: str) -> None:
    """The other run beside this one: gains with their intervals, settings that differ, samples that turned."""
    st.subheader("Two runs side by side")
    both = compare(store, run_id, other, split)
    st.dataframe(comparison_rows(both).style.format(precision=4, na_rep="-"), hide_index=True, width="stretch")
    st.caption("From, to: 95 % interval of the gain, paired bootstrap over source photos; more than chance: 0 lies outside.")
    for name, row in {**both["classes"], "overall": both["overall"]}.items():
        st.caption(
            f"{name}: by IoU {row['better']} of {row['samples']} samples better, {row['worse']} worse; "
            f"{row['mended']} mended (they failed before, IoU below {FAILED_BELOW_IOU:g}), {row['broken']} broken"
        )
    left, right = st.columns(2)
    left.markdown("**Settings that differ**")
    left.dataframe(config_difference(OpenedRun(workspace, run_id), OpenedRun(workspace, other)), hide_index=True, width="stretch")
    pairs = paired_scores(store, run_id, other, split)
    right.plotly_chart(before_after(pairs, runs[run_id].name, runs[other].name))
    turned = flipped(pairs).head(FLIPPED_SHOWN)
    if len(turned):
        st.markdown("**Mended and broken, the largest change first**")
        legend()
    for score in turned.itertuples():
        with st.container(border=True):
            st.markdown(f"{plain(score.file_name)} · {score.class_name} · IoU {score.iou:.3f} → {score.iou_other:.3f}")
            sides = ((run_id, score.threshold), (other, score.threshold_other))
            for place, (which, threshold) in zip(st.columns(2), sides, strict=True):
                with sentences():
                    tile = agreement_tile(which, split, score.sample_id, score.current_revision, threshold, score.image_path)
                place.image(tile, caption=plain(runs[which].name), width="stretch")


with sentences():
    document = summary(store, run_id, split, labels_of)
    st.dataframe(interval_rows(document), width="stretch")
    if st.toggle("Every metric", help="Precision and recall, tolerant precision and recall, and the ceiling as well"):
        counts = pd.IndexSlice[[*COUNTS.values()], :]
        st.dataframe(
            metric_rows(document).T.style.format("{:.4f}", na_rep="-").format("{:.0f}", subset=counts),
            width="content",
            height="content",
        )
        with st.expander("What they mean"):
            st.markdown("\n".join(f"- **{metric.title}**: {metric.meaning}" for metric in METRICS))
    st.caption(
        f"Means over samples on {split}, in brackets the 95 % interval by source photo, because copies of one photo are one "
        "observation. mIoU is the mean foreground IoU, as in the published table; IoU of all pixels counts them together, so large "
        f"structures weigh more. Tolerances are px of a 640-px photo. Labels: {runs[run_id].label_set}"
    )
    for sentence in document["advice"]:
        st.info(sentence, icon=":material/grid_on:")
    if split == "test" and (pair := leaky_and_honest(OpenedRun(workspace, run_id))):
        st.info(leakage_sentence(pair), icon=":material/content_copy:")
    if split == "test" and (whole := on_test(OpenedRun(workspace, run_id))) and whole.copied:
        st.info(own_sentence(whole, without_copies(OpenedRun(workspace, run_id))), icon=":material/content_copy:")
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
    of_split = store.scores(run_id, split)
    first, second = st.columns(2)
    first.markdown("**How IoU spreads**")
    first.plotly_chart(iou_histogram(of_split[of_split["human_made"] | (not human)]))
    second.markdown("**mIoU by threshold**")
    revisions = tuple(of_split[["sample_id", "current_revision", "revision"]].itertuples(index=False, name=None))
    found_curves = curves(run_id, split, labels_of, revisions)
    if found_curves.thresholds.empty:
        second.caption("None of today's labels is human-made.")
    else:
        second.plotly_chart(threshold_lines(found_curves.thresholds))
        first, second = st.columns(2)
        first.markdown("**Precision and recall of pixels**")
        first.plotly_chart(precision_recall_lines(found_curves.precision_recall))
        areas = ", ".join(f"{name} {area:.3f}" for name, area in found_curves.average_precision.items())
        first.caption(f"All pixels of a class together. Average precision: {areas}.")
        second.markdown("**Can the probabilities be believed?**")
        second.plotly_chart(calibration_lines(found_curves.calibration))
        errors = ", ".join(f"{name} {error:.3f}" for name, error in found_curves.calibration_error.items())
        second.caption(f"On the dotted line a probability is what it says. Mean distance from it over pixels: {errors}.")
    st.subheader("Slices, the worst first")
    found = slices(of_split, store.quality())
    if found.empty:
        st.caption("No slice holds enough source photos.")
    else:
        st.dataframe(found.rename(columns=SLICE_COLUMNS).style.format(precision=3, na_rep="-"), hide_index=True, width="stretch")
        st.caption("Worse: the 95 % interval of the slice lies below the mean of its whole class.")
    if other != "none":
        compare_with(other)
    st.subheader("Prompts")
    show_prompts()
