"""Reviewers: how fast they are, how well they do on known truth, and how far two of them agree on one sample."""

import streamlit as st

from dashboard.charts import iou_strip
from dashboard.gallery import photo_of, truth_of
from dashboard.state import go_to, open_workspace, plain, reviewer, say_after_rerun, sentences, show_said
from training.review.reviewers import agreement, honeypot_scores, plant_honeypots, throughput
from training.scoring.figures import paint_agreement

workspace = open_workspace()
store = workspace.store
name = reviewer()
st.title("Reviewers")
show_said()
speed = throughput(store)
if speed.empty:
    st.info("Nobody decided on a sample yet. Begin on the Queue page.", icon=":material/checklist:")
else:
    number = st.column_config.NumberColumn
    st.dataframe(
        speed,
        hide_index=True,
        width="stretch",
        column_config={
            "median_seconds": number("seconds a sample", format="%.0f", help="Median, from taking to deciding"),
            "per_hour": number("samples an hour", format="%.0f"),
        },
    )

st.subheader("Known truth")
honeypots, answers = store.honeypots(), honeypot_scores(store)
st.caption(
    "Honeypots are accepted labels shown again with an older or a spoilt mask, as any other sample of the queue. Training, "
    "scores and exports keep the truth."
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    share = st.slider("Share of the accepted, human-made labels", 0.05, 1.0, 0.1, 0.05, width=320)
    if st.button("Plant honeypots", icon=":material/visibility_off:"):
        with sentences():
            planted = plant_honeypots(store, share, name, seed=len(honeypots))
        say_after_rerun(f"{len(planted)} honeypots planted.")
    if honeypots and st.button(f"Lift all {len(honeypots)}", icon=":material/visibility:"):
        with sentences():
            for sample_id in honeypots:
                store.lift_honeypot(sample_id, name)
        say_after_rerun(f"{len(honeypots)} honeypots lifted.")
if honeypots:
    st.write(f"{len(honeypots)} planted, answered {len(answers)} times.")
if not answers.empty:
    means = answers.groupby("reviewer").agg(answers=("iou", "size"), iou=("iou", "mean"), bait_iou=("bait_iou", "mean"))
    left, right = st.columns([2, 3])
    left.dataframe(
        means.rename(columns={"iou": "IoU with truth", "bait_iou": "of the bait"}).style.format(precision=3), width="stretch"
    )
    right.plotly_chart(iou_strip(answers))

st.subheader("Agreement of two reviewers")
pairs = agreement(store)
if pairs.empty:
    st.write("No sample has masks of two people yet.")
else:
    st.caption(
        "IoU of the last masks two people saved of one sample. Blind: the second began at the bait; otherwise the second saw "
        "the mask of the first, which makes them agree more."
    )
    columns = st.columns(4)
    columns[0].metric("Mean IoU", f"{pairs['iou'].mean():.3f}")
    columns[1].metric("Samples", pairs["sample_id"].nunique())
    if pairs["blind"].any():
        columns[2].metric("Mean IoU, blind", f"{pairs.loc[pairs['blind'], 'iou'].mean():.3f}")
    pairs = pairs.sort_values("iou").reset_index(drop=True)
    chosen = st.dataframe(
        pairs,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="single-row",
        key="agreement",
        column_order=["file_name", "class_name", "reviewer", "other", "iou", "blind"],
        column_config={
            "file_name": "file",
            "class_name": "class",
            "other": "and",
            "iou": st.column_config.NumberColumn("IoU", format="%.3f"),
        },
    )
    row = pairs.iloc[chosen.selection.rows[0] if chosen.selection.rows else 0]
    sample = store.sample(int(row.sample_id))
    masks = truth_of(sample.id, int(row.revision)), truth_of(sample.id, int(row.other_revision))
    caption = f"green: both, orange: only {row.other}, blue: only {row.reviewer}"
    picture = paint_agreement(photo_of(sample.image_path), *masks)
    st.image(picture, caption=f"{plain(sample.file_name)} · IoU {row.iou:.3f} · {caption}", width=640)
    if st.button("Open in Fix masks", icon=":material/brush:"):
        go_to("fix_masks", sample=sample.id)
